"""Two pictures of a shop: as it is published, and with a draft in it; both without hurry."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.serving.dry_run.asking import Draft
from app.serving.snapshot.snapshot import Config, Snapshot

MOST_PLACEMENTS = 20


class Pictures(NamedTuple):
    """Both pictures, the placements that the draft touches, and what to know of how it is tried."""

    before: Snapshot
    after: Snapshot
    placements: Sequence[str]
    notes: Sequence[str]

    def turn(self, now: float) -> None:
        """Let the rules of both be those of a unix moment."""
        for snapshot in (self.before, self.after):
            for program in snapshot.programs.values():
                program.turn(now)

    def numbers(self) -> dict[int, str]:
        """Return the placements that the draft touches by number, as far as they were published."""
        placed = self.before.config.placements
        return {placed[name].number: name for name in self.placements if name in placed and placed[name].number}


def pictures(
    snapshot: Snapshot, stored: Mapping[str, Any], draft: Draft, groups: dict[str, int], clock: Callable[[], float], since: datetime
) -> Pictures:
    """Return both pictures, in which rules take what `clock` says for the present; nothing of what is loaded is changed.

    A draft of a rule that begins after `since` is tried as if it had begun.
    """
    patient = [[row[0], row[1], row[2], {**row[3], "deadline_ms": None}] for row in stored["placements"]]
    rows: dict[str, Any] = {"placements": patient, "rules": list(stored.get("rules") or ()), "templates": list(stored["templates"] or ())}
    plural = f"{draft.table}s"
    own = next((row for row in rows[plural] if row[0] == draft.name), None)
    body, notes = _begun(draft.body, since)
    drafted = [row for row in rows[plural] if row[0] != draft.name] + [_row(draft, body, own)]
    catalogue = snapshot.catalogue.at(time.time())

    def picture(changed: Mapping[str, Any]) -> Snapshot:
        config = Config.read({**stored, **rows, **changed, "groups": {**stored.get("groups", {}), **groups}})
        made = dataclasses.replace(snapshot, config=config, catalogue=catalogue)
        for program in made.programs.values():
            program.clock = clock
        made.ready(draft.name)
        return made

    before, after = picture({}), picture({plural: drafted})
    touched, more = _touched(draft, body, own[-1] if own else None, before, after)
    notes += more
    if len(touched) > MOST_PLACEMENTS:
        notes.append(f"Tried in the first {MOST_PLACEMENTS} of {len(touched)} placements.")
    return Pictures(before, after, touched[:MOST_PLACEMENTS], notes)


def _row(draft: Draft, body: dict[str, Any], own: list[Any] | None) -> list[Any]:
    """Return a draft as a row of what is stored; 0 is the version of none."""
    if draft.table == "template":
        return [draft.name, 0, body]
    return [draft.name, own[1] if own else 0, 0, {**body, "deadline_ms": None} if draft.table == "placement" else body]


def _begun(body: dict[str, Any], since: datetime) -> tuple[dict[str, Any], list[str]]:
    """Return a rule as if its time had come, and say so where it had not."""
    starts = body.get("starts_at")
    if not starts or datetime.fromisoformat(starts) <= since:
        return body, []
    later = datetime.fromisoformat(starts) > datetime.now(UTC)
    return {**body, "starts_at": None}, [
        f"The rule begins later{'' if later else ' than these requests'}; it was tried as if it had begun."
    ]


def _touched(
    draft: Draft, body: Mapping[str, Any], published: Mapping[str, Any] | None, before: Snapshot, after: Snapshot
) -> tuple[list[str], list[str]]:
    """Return the placements that a draft touches, by what it says or what is published, and what to know of them."""
    if draft.table == "placement":
        unknown = "The placement is not published yet: beside it stands what calls of its name get now, the default placement."
        return [draft.name], [] if draft.name in before.config.placements else [unknown]
    known = sorted(after.config.placements)
    if draft.table == "template":
        users = [name for name in known if before.config.placements[name].placement.template == draft.name]
        if users or not known:
            return users, []
        return known[:1], [f"No placement shows the template yet: it was tried in {known[0]}, beside what that shows now."]
    named = [body["placements"]] + ([published["placements"]] if published is not None else [])
    if not all(named):
        return known, []
    wanted = {one for some in named for one in some}
    return [one for one in known if one in wanted], []
