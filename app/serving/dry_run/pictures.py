"""Two pictures of a shop: as it is published, and with a draft in it; both without hurry."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.documents.kinds import Kind
from app.serving.snapshot.rules import programs
from app.serving.snapshot.snapshot import Config, Snapshot

MOST_PLACEMENTS = 20


class Pictures(NamedTuple):
    """Both pictures, the placements that the draft touches, and what to know of how it is tried."""

    before: Snapshot
    after: Snapshot
    placements: Sequence[str]
    notes: Sequence[str]


def pictures(
    snapshot: Snapshot, stored: Mapping[str, Any], kind: Kind[Any], name: str, body: dict[str, Any], groups: dict[str, int]
) -> Pictures:
    """Return both pictures; nothing of what is loaded is changed."""
    patient = [[row[0], row[1], row[2], {**row[3], "deadline_ms": None}] for row in stored["placements"]]
    rows: dict[str, Any] = {"placements": patient, "rules": list(stored.get("rules") or ())}
    own = [row for row in rows[kind.plural] if row[0] == name]
    body, notes = _begun(body)
    number = own[0][1] if own else 0
    written = [number, 0, {**body, "deadline_ms": None} if kind.table == "placement" else body]
    drafted = [row for row in rows[kind.plural] if row[0] != name] + [[name, *written]]
    catalogue = snapshot.catalogue.at(time.time())

    def picture(changed: Mapping[str, Any]) -> Snapshot:
        config = Config.read({**stored, **rows, **changed, "groups": {**stored.get("groups", {}), **groups}})
        made = dataclasses.replace(snapshot, config=config, catalogue=catalogue)
        programs.warm(made.programs)
        return made

    before, after = picture({}), picture({kind.plural: drafted})
    touched = [name] if kind.table == "placement" else _touched(after, body, own[0][3] if own else None)
    if len(touched) > MOST_PLACEMENTS:
        notes = [*notes, f"Tried in the first {MOST_PLACEMENTS} of {len(touched)} placements."]
    if name not in before.config.placements and kind.table == "placement":
        notes = [*notes, "The placement is not published yet: beside it stands what calls of its name get now, the default placement."]
    return Pictures(before, after, touched[:MOST_PLACEMENTS], notes)


def _begun(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a rule as if its time had come, and say so where it has not."""
    starts = body.get("starts_at")
    if not starts or datetime.fromisoformat(starts) <= datetime.now(UTC):
        return body, []
    return {**body, "starts_at": None}, ["The rule begins later; it was tried as if it had begun."]


def _touched(snapshot: Snapshot, body: Mapping[str, Any], published: Mapping[str, Any] | None) -> list[str]:
    """Return the placements in which a rule acts by the draft or by what is published."""
    named = [body["placements"]] + ([published["placements"]] if published is not None else [])
    known = sorted(snapshot.config.placements)
    if not all(named):
        return known
    wanted = {one for some in named for one in some}
    return [one for one in known if one in wanted]
