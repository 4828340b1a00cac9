"""`morsel placements`, `morsel templates` and every further kind of document: the same commands for each."""

# long: one function makes all commands of a kind

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError

from app.access.domain import EVERYTHING, ClientKind, Principal
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.commands.dry_runs import dry_run
from app.content.formats import JSON, NAMES
from app.core.db import Database
from app.core.errors import Problem
from app.documents import service, store
from app.documents.kinds import Document, Facts, Finding, Kind, named, named_items, read
from app.documents.service import Change
from app.plugins import DOCUMENTS, RECOMMENDERS, document_kind, users

Name = Annotated[str, typer.Argument(help="Its name.")]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A JSON file; what `show` prints can be published.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse warnings too.")]
Version = Annotated[int | None, typer.Option("--version", help="Another version than the usual one.", min=1)]
WHO = "command line"


def content(path: Path) -> Any:
    """Return what a JSON file holds, or end with what is wrong with it."""
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        fail(f"{path}: is not JSON: {error}")


async def facts(db: Database, tenant: int, written: Any) -> Facts:
    """Return what checks may know of the shop, from the database."""
    # a catalogue is much to load, and most commands need none
    from app.serving.render.samples import samples
    from app.serving.snapshot.facts import facts_of
    from app.serving.snapshot.holder import snapshot_of

    ids = named_items(written)
    snapshot = await snapshot_of(db, tenant)
    found = await facts_of(db, snapshot, RECOMMENDERS, ids, partial(samples, snapshot))
    assert found is not None
    return found


def printed(document: Document) -> dict[str, Any]:
    """Return a document as it is shown, which `publish` takes."""
    return {"name": document.name, "version": document.version, **document.body}


def tell(found: list[Finding]) -> None:
    """Print what was found beside the result."""
    for one in found:
        typer.echo(f"{one.level}: {one.field}: {one.message}", err=True)


# long: the commands of a kind, one below the other
def group(kind: Kind[Any], about: str) -> typer.Typer:
    """Return the commands of a kind of document."""
    made = typer.Typer(no_args_is_help=True, help=about)

    @made.command("list", help=f"Show the published {kind.plural}.")
    def listing(tenant: Tenant = DEFAULT) -> None:
        async def work(context: Context) -> list[dict[str, Any]]:
            return [printed(one) for one in await service.listed(context.db, kind, context.tenant)]

        show(with_database(work, tenant))

    @made.command("show", help=f"Print a {kind.table} as `publish` takes it.")
    def show_one(name: Name, version: Version = None, tenant: Tenant = DEFAULT) -> None:
        _guarded(lambda: named(kind, name))
        show(printed(with_database(lambda c: service.show(c.db, kind, c.tenant, name, version), tenant)))

    @made.command("versions", help="List all versions, newest first, and who did what.")
    def versions(name: Name, tenant: Tenant = DEFAULT) -> None:
        async def work(context: Context) -> dict[str, Any]:
            found = await service.history(context.db, kind, context.tenant, name)
            state = [{"version": one.version, "published": one.published, "draft": one.draft} for one in found]
            return {"versions": state, "audit": await store.done(context.db, kind.table, context.tenant, name)}

        _guarded(lambda: named(kind, name))
        show(with_database(work, tenant))

    @made.command("diff", help="Print what changed between two versions; by default from the published one to the newest.")
    def diff(
        name: Name,
        old: Annotated[int | None, typer.Argument(help="From this version.", min=1)] = None,
        new: Annotated[int | None, typer.Argument(help="To this version.", min=1)] = None,
        tenant: Tenant = DEFAULT,
    ) -> None:
        _guarded(lambda: named(kind, name))
        typer.echo(with_database(lambda c: service.diff(c.db, kind, c.tenant, name, old, new), tenant))

    @made.command("publish", help=f"Publish a new version of a {kind.table} from a JSON file, after its checks.")
    def publish(
        name: Name,
        file: File,
        draft: Annotated[bool, typer.Option("--draft", help="Keep it as a version that is not served.")] = False,
        strict: Strict = False,
        tenant: Tenant = DEFAULT,
    ) -> None:
        written = content(file)

        async def work(context: Context) -> tuple[Document, list[Finding]]:
            read(kind, written, name)  # a mistake in the file is told before the catalogue is loaded
            change = Change(WHO, None, await facts(context.db, context.tenant, written), strict)
            return await service.write(context.db, kind, context.tenant, name, written, change, draft=draft)

        _guarded(lambda: named(kind, name))
        document, found = with_database(work, tenant)
        tell(found)
        typer.echo(f"{document.name} version {document.version}{' (draft)' if draft else ''}")

    if kind.table in ("placement", "template"):
        made.command("preview", help=f"Show a {kind.table}, or a draft in a file, as a person would get it now; nothing is recorded.")(
            _preview(kind)
        )

    if kind.table in ("placement", "rule", "template"):
        about_it = f"Try a {kind.table}, or a draft in a file, on real people or recorded requests; nothing is recorded."
        made.command("dry-run", help=about_it)(dry_run(kind))

    @made.command("rollback", help="Publish an earlier version, or a draft, as it is; by default the one published before.")
    def rollback(name: Name, version: Version = None, tenant: Tenant = DEFAULT) -> None:
        _guarded(lambda: named(kind, name))
        document = with_database(lambda c: service.rollback(c.db, kind, c.tenant, name, version, Change(WHO)), tenant)
        typer.echo(f"{document.name} version {document.version}")

    @made.command("delete", help=f"Take a {kind.table} out of use; its versions stay, and `rollback` brings it back.")
    def delete(name: Name, tenant: Tenant = DEFAULT) -> None:
        _guarded(lambda: named(kind, name))
        with_database(lambda c: service.delete(c.db, kind, c.tenant, name, c.settings, Change(WHO), users), tenant)
        typer.echo(f"{name} is no longer published")

    return made


# long: a parameter for each of the call
def _preview(kind: Kind[Any]) -> Any:
    # long: a parameter for each of the call
    def preview(
        name: Annotated[str, typer.Argument(help="A name (its newest version, a draft too), or a JSON file.")],
        user_id: Annotated[str, typer.Option(help="The shop's own id of the person.")] = "",
        anonymous_id: Annotated[str, typer.Option(help="The id of a browser or device.")] = "",
        item_id: Annotated[str, typer.Option(help="The item on the page, or those in the cart, comma-separated.")] = "",
        exclude: Annotated[str, typer.Option(help="Items that must not come, comma-separated.")] = "",
        category: Annotated[str, typer.Option(help="Only items of this category.")] = "",
        locale: Annotated[str, typer.Option(help="Locale of texts and prices.")] = "",
        placement: Annotated[str, typer.Option(help="For a template: the placement that shows it.")] = "",
        format: Annotated[str, typer.Option(help=f"{NAMES[:-1]}; default: html with --html, else json.")] = "",
        html: Annotated[Path | None, typer.Option(help="Write a page to this file, to open it in a browser.")] = None,
        version: Version = None,
        tenant: Tenant = DEFAULT,
    ) -> None:
        from app.serving.preview import PreviewIn
        from app.wiring import previewing

        file = Path(name)
        written = content(file) if file.suffix == ".json" or file.is_file() else None
        if written is not None:
            name = str(written.get("name", "") or file.stem) if isinstance(written, dict) else file.stem
        given = {"user_id": user_id, "anonymous_id": anonymous_id, "item_id": item_id, "exclude": exclude, "category": category}
        form = "html" if html else format or JSON.name
        try:
            wanted = PreviewIn(document=written, version=version, placement=placement, locale=locale, format=form, **given)
        except ValidationError as error:
            fail("; ".join(f"{one['loc'][0]}: {one['msg']}" for one in error.errors()))

        async def work(context: Context) -> bytes:
            servers = {"database_url": context.urls.database_url, "redis_url": context.urls.redis_url}
            async with previewing(context.settings.model_copy(update=servers), context.db) as previewer:
                caller = Principal(context.tenant, 0, WHO, ClientKind.SERVICE, EVERYTHING, "", "popular")
                body = (await previewer.preview(context.db, caller, kind, name, wanted)).body or b""
                if form != "json":
                    told = wanted.model_copy(update={"format": "json"})
                    _tell(orjson.loads((await previewer.preview(context.db, caller, kind, name, told)).body or b"{}"))
                return body

        _guarded(lambda: named(kind, name))
        body = with_database(work, tenant)
        if html is not None:
            html.write_bytes(_PAGE % body)
            typer.echo(f"{html}: {name} as {user_id or anonymous_id or 'a stranger'} would get it")
        elif form == JSON.name:
            show(orjson.loads(body))
        else:
            typer.echo(body.decode())

    return preview


def _tell(answer: dict[str, Any]) -> None:
    """Say beside HTML and text what they cannot: warnings, and what gave the items if not the model."""
    for warning in answer.get("warnings", ()):
        typer.echo(f"warning: {warning}", err=True)
    if answer.get("fallback"):
        typer.echo(f"these are {answer['source']} items: {answer['fallback_reason']} (docs/concepts.md)", err=True)


_PAGE = (
    b'<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    b'<meta name="color-scheme" content="light dark"></head><body style="margin:0">%b</body></html>'
)


def _guarded(call: Any) -> None:
    try:
        call()
    except Problem as error:
        fail(error)


_ABOUT = {
    "placements": "Where content is shown, and how.",
    "templates": "What content looks like.",
    "rules": "Which items come, for whom and when.",
}


def __getattr__(name: str) -> typer.Typer:
    if name in DOCUMENTS:
        return group(document_kind(name), _ABOUT.get(name, f"Documents: {name}."))
    raise AttributeError(name)
