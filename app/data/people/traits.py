"""Traits as an operator changes them: told by the API, or taken away."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.core.settings import Settings
from app.data import outbox
from app.data.identity import store as identities
from app.data.identity import told as kept
from app.data.identity import watched
from app.data.identity.domain import Identity, id_fault
from app.data.identity.traits import API, Told, Trait, flattened, left_out, micros, order_of, tell, traits_of
from app.data.identity.vault import DataKeys

_LONGEST_NOTE = 200


async def change(
    db: Database, settings: Settings, tenant: int, identity: Identity, patch: Mapping[str, Any], *, who: str = "morsel"
) -> dict[str, Trait]:
    """Apply a JSON merge patch (RFC 7396) to the traits of the person of an id, all of it or none; return what then counts.

    Null takes a trait away, whoever told it until now. A person who is not known yet is created. The audit log names `who` did it.
    Raises Invalid for what cannot be kept, NotFound where nothing is to be told of somebody unknown, Conflict after a refusal.
    """
    values, faults = flattened(patch)
    if fault := id_fault(identity[1]):
        raise Invalid(f"The id {fault}.")
    if faults:
        raise Invalid(_refused(faults), errors=[{"field": name, "message": why} for name, why in faults.items()])
    telling = any(value is not None for value in values.values())
    async with db.begin() as connection:
        known = await identities.known(connection, tenant, identity)
        if known is None and not telling:
            raise NotFound("Nobody is known under this id.")
        if known is not None and known.consent is False and telling:
            raise Conflict("The person withdrew consent: traits can only be taken away, by null.")
        person = known or (await identities.resolve(connection, tenant, [identity], DataKeys(settings)))[identity]
        members = await kept.group(connection, tenant, person.person_no)
        before = {number: {**told} for number, told in members.items()}
        if refused := _applied(members, person.person_no, values, micros(datetime.now(UTC))):
            raise Invalid(_refused(refused), errors=[{"field": name, "message": why} for name, why in refused.items()])
        await kept.write(connection, tenant, {number: told for number, told in members.items() if told != before[number]})
        await watched.changed(connection, settings, tenant, who, "traits", identity, note=_note(values))
        await outbox.post(connection, tenant, "traits", person.person_no, {})
    return traits_of(members.values(), order_of(settings.trait_sources))


def _applied(members: dict[int, Told], person_no: int, values: Mapping[str, Any], at: int) -> dict[str, str]:
    """Change what is kept of the ids that are one person; return what was refused, by name."""
    refused = {}
    for name, value in sorted(values.items(), key=lambda one: one[1] is not None):
        if value is not None:
            if why := tell(members[person_no], API, name, value, at):
                refused[name] = why
            continue
        for told in members.values():
            for one in [one for one in told if one == name or one.startswith(f"{name}.")]:
                tell(told, API, one, None, at)
    return refused


def _refused(faults: Mapping[str, str]) -> str:
    return "Nothing was changed: " + "; ".join(left_out(*one).removesuffix("; it was left out") for one in list(faults.items())[:5]) + "."


def _note(values: Mapping[str, Any]) -> str:
    """Tell names without values: a line of the audit log outlives an erasure."""
    told = ", ".join(sorted(name for name, value in values.items() if value is not None))
    gone = ", ".join(sorted(name for name, value in values.items() if value is None))
    words = [f"told {told}"] * bool(told) + [f"took away {gone}"] * bool(gone)
    return "; ".join(words)[:_LONGEST_NOTE]
