"""What placements and templates share: versions, differences, drafts, publishing, rolling back, two editors at once."""

import json
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.ui import diff
from app.dashboard.ui.table import Column, Table

_VERSIONS = (
    Column("label", "Version"), Column("state", "", "badge"), Column("who", "By", wide=True), Column("at", "When", "when"),
    Column("what", "What was done", wide=True),
)  # fmt: skip


@dataclass(frozen=True)
class DocumentPages:
    """A kind of document: how its routes, pages and words are called; `before` are parts of its page (key, title, end of the address)
    that stand before the editor, which is then at `edit`."""

    plural: str
    one: str
    before: tuple[tuple[str, str, str], ...] = ()
    edit: str = ""

    @property
    def title(self) -> str:
        """The heading of its list."""
        return self.plural.capitalize()


def tabs(kind: DocumentPages, name: str) -> list[tuple[str, str, str]]:
    """Return the parts of a document's page."""
    base = f"/{kind.plural}/{part(name)}"
    return [
        *((key, title, base + end) for key, title, end in kind.before),
        ("edit", "Edit", base + kind.edit),
        ("versions", "Versions", f"{base}/versions"),
        ("audit", "Audit", f"/audit?kind={kind.one}&q={part(name)}"),
    ]


async def published(visit: Visit, kind: DocumentPages, name: str, version: int | None = None) -> dict[str, Any]:
    """Return a version of a document, the published one unless one is named; raises ApiProblem."""
    found: dict[str, Any] = await visit.api.get(f"/v1/admin/{kind.plural}/{part(name)}/published", version=version)
    return found


async def opened(visit: Visit, kind: DocumentPages, name: str, version: int | None) -> dict[str, Any]:
    """Return what an editor opens with: a version, or else what somebody would go on with; raises ApiProblem."""
    found = await published(visit, kind, name, version) if version else await _newest(visit, kind, name)
    if found is None:
        raise ApiProblem(404, "not_found", f"There is no {kind.one} {name}.")
    return found


async def _newest(visit: Visit, kind: DocumentPages, name: str) -> dict[str, Any] | None:
    """Return the published version, or the newest one where none is; None for a new name."""
    try:
        return await published(visit, kind, name)
    except ApiProblem as problem:
        if problem.status != 404:
            raise
    try:
        versions = (await visit.api.get(f"/v1/admin/{kind.plural}/{part(name)}"))[kind.plural]
    except ApiProblem as problem:
        if problem.status != 404:
            raise
        return None
    return versions[0] if versions else None


async def save(visit: Visit, kind: DocumentPages, name: str, body: dict[str, Any], base: int | None, *, draft: bool) -> dict[str, Any]:
    """Publish a document or keep it as a draft; raises ApiProblem, with 412 where somebody else published meanwhile."""
    path = f"/v1/admin/{kind.plural}/{part(name)}{'/draft' if draft else ''}"
    headers = {"If-Match": f'"{base}"'} if base and not draft else None
    made: dict[str, Any] = await visit.api.send("PUT", path, body, headers=headers)
    return made


async def refused(visit: Visit, kind: DocumentPages, name: str, base: int, problem: ApiProblem) -> tuple[int, dict[str, Any], int]:
    """Return what an editor goes on with whose document was not saved: the version it is made from, `conflict` where somebody else
    published meanwhile, and the status; raises what is no fault of the document.
    """
    if problem.status == 412:
        theirs = (await published(visit, kind, name))["version"]
        return theirs, {"conflict": theirs}, 412
    if problem.status not in (400, 422):
        raise problem
    return base, {}, 422


async def checked(visit: Visit, kind: DocumentPages, name: str, body: dict[str, Any]) -> list[dict[str, str]]:
    """Return what is found in a document without storing it: level, field, message."""
    try:
        made = await visit.api.send("PUT", f"/v1/admin/{kind.plural}/{part(name)}", body, dry_run=1)
    except ApiProblem as problem:
        if problem.status not in (400, 422):
            raise
        return [{"level": "error", **one} for one in problem.errors] or [{"level": "error", "field": "", "message": problem.detail}]
    return list(made["findings"])


def told(found: list[dict[str, str]]) -> dict[str, Any]:
    """Return what a preview says beside the picture: sentences, how grave the gravest is, and whether it can be shown at all."""
    levels = {one["level"] for one in found}
    words = [f"{one['field']}: {one['message']}" if one["field"] else one["message"] for one in found]
    return {"notes": words, "shown": "error" not in levels, "kind": "warn" if "warning" in levels else "info"}


async def versions(visit: Visit, kind: DocumentPages, name: str, old: int | None, new: int | None) -> Response:
    """Show all versions and what changed between two of them."""
    found = (await visit.api.get(f"/v1/admin/{kind.plural}/{part(name)}"))[kind.plural]
    deeds = (await visit.api.get(f"/v1/admin/{kind.plural}/{part(name)}/audit"))["audit"]
    by = {deed["after"]: deed for deed in reversed(deeds) if deed["after"] is not None}
    rows = [
        {
            "label": f"Version {one['version']}",
            "state": ("live", "good") if one["published"] else ("draft", "info") if one["draft"] else "",
            "version": one["version"],
            "published": one["published"],
            "who": by.get(one["version"], {}).get("who", ""),
            "at": by.get(one["version"], {}).get("at"),
            "what": by.get(one["version"], {}).get("what", ""),
            "to": f"/{kind.plural}/{part(name)}/versions?new={one['version']}",
        }
        for one in found
    ]
    numbers = [one["version"] for one in found]
    after = new if new in numbers else numbers[0]
    before = old if old in numbers else next((number for number in numbers if number < after), after)
    texts = {one["version"]: json.dumps(one[kind.one], indent=2, ensure_ascii=False) for one in found}
    return visit.page(
        "content/versions.html", kind=kind, name=name, tabs=tabs(kind, name), numbers=numbers, old=before, new=after,
        table=Table(f"versions of {kind.plural}", _VERSIONS, rows, link="to"), changes=diff.rows(texts[before], texts[after], 4),
    )  # fmt: skip


def add_routes(router: APIRouter, kind: DocumentPages) -> None:
    """Give a kind of document the pages that are the same for all: versions, making one live, taking it out of use."""

    @router.get("/{name}/versions")
    async def show_versions(visit: Here, name: str, old: int | None = None, new: int | None = None) -> Response:
        """Show all versions."""
        return await versions(visit, kind, name, old, new)

    @router.post("/{name}/versions/{version}")
    async def make_live(visit: Here, name: str, version: int) -> Response:
        """Publish a version again."""
        back = f"/{kind.plural}/{part(name)}/versions"
        try:
            await visit.api.send("POST", f"/v1/admin/{kind.plural}/{part(name)}/rollback", {"version": version})
        except ApiProblem as problem:
            return visit.go(back, problem.detail, "bad")
        return visit.go(back, f"Version {version} is live now.")

    @router.post("/{name}/delete")
    async def delete(visit: Here, name: str) -> Response:
        """Take a document out of use."""
        try:
            await visit.api.send("DELETE", f"/v1/admin/{kind.plural}/{part(name)}")
        except ApiProblem as problem:
            return visit.go(f"/{kind.plural}/{part(name)}", problem.detail, "bad")
        return visit.go(f"/{kind.plural}", f"{name} is out of use; its versions stay, and one can be published again.")
