"""The admin route of one item."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from app.access import audit
from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Forbidden, NotFound
from app.core.outage import or_unavailable
from app.core.paths import IdRoute
from app.data.catalogue.domain import LONGEST_ID
from app.operations.items import view
from app.operations.items.schemas import ItemView

router = APIRouter(prefix="/v1/admin/catalogue/items", tags=["catalogue"], responses=PROTECTED, route_class=IdRoute)
Reader = Annotated[Principal, Depends(require(Scope.CATALOG, Scope.ADMIN_READ))]
ItemId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00-\x1f\x7f]+$")]


@router.get("/{item_id:id}", responses=problems(404, 503))
async def get_item_view(
    request: Request,
    caller: Reader,
    item_id: ItemId,
    buyers: Annotated[bool, Query(description="Name who bought it lately; needs `profiles`, and is told in the audit log.")] = False,
) -> ItemView:
    """Return all that is known of an item: variants, prices, popularity, where it was shown, what blocks it, who bought it."""
    db = request.app.state.db
    if buyers and not caller.may(Scope.PROFILES):
        raise Forbidden(f"Who bought it is told only to those with the scope {Scope.PROFILES}.")
    with or_unavailable("The catalogue cannot be reached now; try again."):
        found = await view.view(db, caller.tenant, item_id, buyers=buyers)
        if found is None:
            raise NotFound("There is no item with this id.")
        if buyers:
            await audit.written(db, caller.tenant, caller.who, "read buyers", "item", item_id, f"{len(found.buyers or ())} people")
    return found
