"""What is done with documents of any kind: show, compare, check, publish, roll back, delete."""

import asyncio
import difflib
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel

from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.documents import store
from app.documents.kinds import Document, Facts, Finding, Kind, Names, Users, named, nearest, read

_MOST_TOLD = 10


class Change(NamedTuple):
    """Who changes a document, from which published version on (None: whichever it is), what is known of the shop, and whether
    warnings are errors too."""

    who: str
    expected: int | None = None
    facts: Facts | None = None
    strict: bool = False


async def listed(db: Database, kind: Kind[Any], tenant: int) -> list[Document]:
    """Return the published documents, by name."""
    return await store.published(db, kind.table, tenant)


async def history(db: Database, kind: Kind[Any], tenant: int, name: str) -> list[Document]:
    """Return all versions of a document, newest first; raises NotFound."""
    found = await store.versions(db, kind.table, tenant, name)
    if not found:
        near = nearest(name, [one.name for one in await store.published(db, kind.table, tenant)])
        raise NotFound(f"There is no {kind.table} named {name!r}{near or '.'}")
    return found


async def show(db: Database, kind: Kind[Any], tenant: int, name: str, version: int | None = None) -> Document:
    """Return one version of a document, by default the published one; raises NotFound."""
    found = await history(db, kind, tenant, name)
    for one in found:
        if one.published if version is None else one.version == version:
            return one
    if version is None:
        raise NotFound(f"The {kind.table} {name} is not published; `versions` lists what there is, `rollback` brings one back.")
    raise NotFound(f"The {kind.table} {name} has no version {version}.")


async def diff(db: Database, kind: Kind[Any], tenant: int, name: str, old: int | None, new: int | None) -> str:
    """Return what changed between two versions line by line; by default from the published one to the newest, or from the one before."""
    found = await history(db, kind, tenant, name)
    to = next((one for one in found if one.version == new), None) if new is not None else found[0]
    if to is None:
        raise NotFound(f"The {kind.table} {name} has no version {new}.")
    live = next((one.version for one in found if one.published), None)
    if old is None:
        old = (
            live
            if live is not None and live != to.version
            else next((one.version for one in found if one.version < to.version), to.version)
        )
    start = await show(db, kind, tenant, name, old)
    return "\n".join(
        difflib.unified_diff(_lines(start), _lines(to), f"{name} version {start.version}", f"{name} version {to.version}", lineterm="", n=3)
    )


def _lines(document: Document) -> list[str]:
    return orjson.dumps(document.body, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode().splitlines()


async def check(
    db: Database, kind: Kind[Any], tenant: int, document: BaseModel, facts: Facts | None, name: str = ""
) -> list[Finding]:  # fmt: skip
    """Return what is to be known of a document before it is published, errors first."""
    names: Names = {one: await _names(db, one, tenant) for one in ("placement", "template", "segment")}
    order = ("error", "warning", "info")
    # elsewhere than where calls are answered: it may read something of every item
    found = await asyncio.to_thread(lambda: list(kind.check(document, names, facts)))
    if kind.look is not None:
        found += await kind.look(db, tenant, name, document)
    if kind.trial is not None and not any(one.level == "error" for one in found):
        wrong = await kind.trial(document, facts)
        found += [Finding(level="error", field=wrong.partition(":")[0], message=wrong)] if wrong else []
    return sorted(found, key=lambda one: order.index(one.level))


async def _names(db: Database, table: str, tenant: int) -> list[str]:
    return [row[0] for row in await db.rows(f"select name from {table} where tenant = :tenant and published is not null", tenant=tenant)]


async def write(
    db: Database, kind: Kind[Any], tenant: int, name: str, written: Any, change: Change, *, draft: bool = False, dry_run: bool = False
) -> tuple[Document, list[Finding]]:
    """Publish what somebody wrote, keep it as a draft, or only check it (`dry_run`: version 0); return it with what was found.

    Raises Invalid for errors (and warnings, if strict), and Changed when it was made from another version than the published one.
    """
    named(kind, name)
    document, base = read(kind, written, name)
    found = await check(db, kind, tenant, document, change.facts, name)
    refused(kind, found, strict=change.strict)
    body = document.model_dump(mode="json")
    if dry_run:
        return Document(name, 0, 0, False, body), found
    expected = change.expected if change.expected is not None else base
    made = await store.add(db, kind.table, tenant, name, body, who=change.who, expected=expected, draft=draft)
    return made, found


def refused(kind: Kind[Any], found: list[Finding], *, strict: bool) -> None:
    """Raise Invalid when a document may not be published for what was found in it."""
    bad = [one for one in found if one.level == "error" or (strict and one.level == "warning")]
    if bad:
        errors = [{"field": one.field, "message": one.message} for one in bad]
        raise Invalid(f"The {kind.table} cannot be used: {bad[0].message}", errors=errors)


async def rollback(db: Database, kind: Kind[Any], tenant: int, name: str, version: int | None, change: Change) -> Document:
    """Publish an earlier version, or a draft, as it is; by default the one that was published before. Raises NotFound and Changed."""
    await history(db, kind, tenant, name)
    if version is None:
        version = await store.before_now(db, kind.table, tenant, name)
        if version is None:
            raise NotFound(f"No version of the {kind.table} {name} was published before this one.")
    wanted = await show(db, kind, tenant, name, version)
    document, _ = read(kind, wanted.body)
    refused(kind, await check(db, kind, tenant, document, change.facts, name), strict=change.strict)
    await store.point(
        db, kind.table, tenant, name, version, who=change.who, what="publish" if wanted.draft else "rollback", expected=change.expected
    )
    return await show(db, kind, tenant, name)


async def delete(db: Database, kind: Kind[Any], tenant: int, name: str, lasting: Any, change: Change, users: Users) -> None:
    """Take a document out of use and keep its history; raises NotFound, Conflict for one that others name (`users`), and Changed."""
    await show(db, kind, tenant, name)
    if name in kind.lasting(lasting):
        raise Conflict(f"The {kind.table} {name} cannot be deleted: it answers where no other {kind.table} does. Publish a new version.")
    if found := await users(db, tenant, kind.table, name):
        more = f" and {len(found) - _MOST_TOLD} more" if len(found) > _MOST_TOLD else ""
        told = f"{', '.join(found[:_MOST_TOLD])}{more}"
        raise Conflict(f"The {kind.table} {name} cannot be deleted: it is named by {told}. Change these first.")
    await store.point(db, kind.table, tenant, name, None, who=change.who, what="delete", expected=change.expected)


async def add_defaults(db: Database, kind: Kind[Any], tenant: int) -> list[str]:
    """Give a fresh shop its documents; existing ones, and deleted ones, stay as they are."""
    documents = {name: one.model_dump(mode="json") for name, one in kind.defaults.items()}
    return await store.add_missing(db, kind.table, tenant, documents)
