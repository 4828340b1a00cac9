"""The audit log: who changed or read what."""

from fastapi import APIRouter
from starlette.responses import Response

from app.dashboard.context import Here
from app.dashboard.render import query
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/audit")
_COLUMNS = (
    Column("at", "When", "when", sortable=False), Column("who", "Who", sortable=False), Column("what", "What", sortable=False),
    Column("kind", "Kind", sortable=False), Column("name", "Of", sortable=False), Column("change", "Versions", sortable=False, wide=True),
    Column("note", "Note", sortable=False, wide=True),
)  # fmt: skip
KINDS = ("placement", "template", "client", "key", "account", "person", "model", "send", "refused event", "import")


@router.get("")
async def audit(visit: Here, q: str = "", kind: str = "", who: str = "", since: str = "", until: str = "", before: str = "") -> Response:
    """Show the log, newest first."""
    asked = {"q": q, "kind": kind, "who": who, "from": since, "to": until}
    found = await visit.api.get("/v1/admin/audit", **asked, before=before)
    for line in found["lines"]:
        versions = [str(one) for one in (line["before"], line["after"]) if one is not None]
        line["change"] = " → ".join(versions)
    shown = {"q": q, "kind": kind, "who": who, "since": since, "until": until}
    more = f"/audit{query(shown, before=found['next'])}" if found["next"] else ""
    table = Table("audit", _COLUMNS, found["lines"], next=more, empty="Nothing was done that fits.")
    return visit.page("system/audit.html", table=table, asked=shown, kinds=KINDS)
