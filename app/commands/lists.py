"""`morsel lists`: what each person would get in a placement now, written to a file."""

import gzip
import os
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any, cast

import orjson
import typer

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.commands.documents import WHO
from app.commands.sends import ids_in
from app.data.imports.files import FileFault
from app.data.people.everyone import user_ids
from app.plugins import document_kind

_TOGETHER = 64
_WHY = "`sources` says why. Histories are made by the worker, or once by `morsel rebuild`"
# a file may wait for what a letter cannot
_UNHURRIED = {"deadline_ms": 60_000, "lookup_timeout_ms": 60_000, "redis_timeout_ms": 5_000}


def lists(
    placement: Annotated[str, typer.Argument(help="Whose items.")],
    file: Annotated[Path, typer.Argument(dir_okay=False, help="File to write, JSON lines; .gz packs it.")],
    audience: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="File with one user id a line; default: all.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, max=50, help="How many items; default: the placement's count.")] = None,
    tenant: Tenant = DEFAULT,
) -> None:
    """Write what each person would get in a placement now, one JSON line a person; nothing is recorded."""
    part = file.with_name(file.name + ".part")

    async def work(context: Context) -> dict[str, Any]:
        counts: Counter[str] = Counter()
        with cast(IO[bytes], gzip.open(part, "wb") if file.suffix == ".gz" else part.open("wb")) as out:
            async with aclosing(_answers(context, placement, _people(context, audience), limit)) as answers:
                async for user_id, answer in answers:
                    out.write(orjson.dumps(_line(user_id, answer)) + b"\n")
                    counts[f"{answer['source']} {answer['fallback_reason']}".strip()] += 1
        os.replace(part, file)
        if counts and not any(one.startswith(("live", "cached")) for one in counts):
            typer.echo(f"warning: no list came from a model; {_WHY}", err=True)
        return {"placement": placement, "file": str(file), "people": counts.total(), "sources": dict(counts.most_common())}

    try:
        show(with_database(work, tenant))
    except FileFault as fault:
        fail(str(fault))
    finally:
        part.unlink(missing_ok=True)


async def _people(context: Context, audience: Path | None) -> AsyncGenerator[list[str], None]:
    if audience is None:
        async with aclosing(user_ids(context.db, context.tenant, _TOGETHER)) as pages:
            async for page in pages:
                yield page
        return
    ids = ids_in(audience)
    while given := list(islice(ids, _TOGETHER)):
        for one in given:
            if one.fault:
                typer.echo(f"line {one.place}: {one.fault}", err=True)
        yield [one.user_id for one in given if not one.fault]


async def _answers(
    context: Context, placement: str, people: AsyncGenerator[list[str], None], limit: int | None
) -> AsyncGenerator[tuple[str, dict[str, Any]], None]:
    from app.wiring import previewing  # heavy, and needed by this command alone

    settings = context.settings.model_copy(
        update={**_UNHURRIED, "database_url": context.urls.database_url, "redis_url": context.urls.redis_url}
    )
    caller = Principal(context.tenant, 0, WHO, ClientKind.SERVICE, EVERYTHING, "", "popular")
    async with previewing(settings, context.db) as previewer:
        staged = await previewer.published(context.db, caller, document_kind("placements"), placement)
        async for page in people:
            for user_id, body in zip(page, await previewer.each(caller, staged, placement, page, limit), strict=True):
                yield user_id, orjson.loads(body)


def _line(user_id: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an answer."""
    items = [{"item_id": one["item_id"], "score": one["score"], "reason": one["reason"]} for one in answer["items"]]
    told = {name: answer[name] for name in ("source", "fallback_reason", "model", "model_version", "generated_at")}
    parts = {"parts": [{name: one[name] for name in ("name", "heading", "items")} for one in answer["parts"]]} if "parts" in answer else {}
    return {"user_id": user_id, **told, "items": items, **parts}
