"""HTTP routes of the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.core.outage import or_unavailable
from app.core.paths import IdRoute
from app.core.resources import Configured, Db
from app.core.texts import STORABLE
from app.data.catalogue import search, service
from app.data.catalogue.domain import LONGEST_ID, ItemRefused
from app.data.catalogue.facets import Facets, facets
from app.data.catalogue.schemas import ItemGone, ItemIn, ItemOut, ItemsIn, ItemsOut, ItemWarning, RefusedItem
from app.data.catalogue.search import FoundItems, Wanted
from app.data.catalogue.service import MOST_ITEMS

# `:path`, since servers decode the slash of an id (`AB%2F12`) before a route is looked for
router = APIRouter(prefix="/v1/items", tags=["catalogue"], responses=PROTECTED, route_class=IdRoute)
Editor = Annotated[Principal, Depends(require(Scope.CATALOG))]
ItemId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00-\x1f\x7f]+$")]
Reader = Annotated[Principal, Depends(require(Scope.CATALOG, Scope.ADMIN_READ))]
admin = APIRouter(prefix="/v1/admin/catalogue", tags=["catalogue"], responses={**PROTECTED, **problems(503)})
Text = Annotated[str, Query(max_length=2_000, pattern=STORABLE)]
_LATER = "The catalogue cannot be reached now; try again."


@admin.get("/facets")
async def get_facets(db: Db, caller: Reader) -> Facets:
    """Return categories, brands and kinds with how many products each has, for those who choose among them."""
    with or_unavailable(_LATER):
        return await facets(db, caller.tenant)


@admin.get("/items")
async def find_items(
    db: Db,
    caller: Reader,
    q: Annotated[str, Query(max_length=200, pattern=STORABLE, description="How an id begins, or words of title, brand, category.")] = "",
    category: Text = "",
    brand: Text = "",
    kind: Text = "",
    available: Annotated[bool | None, Query(description="Only those in stock, or only those that are not.")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> FoundItems:
    """Find items, the newest first: all words given must begin a word of theirs, or the text their id."""
    with or_unavailable(_LATER):
        wanted = Wanted(q, category, brand, kind, available)
        return await search.search(db, caller.tenant, wanted, before, limit)


@router.post("/batch", responses=problems(503))
async def put_items(db: Db, settings: Configured, caller: Editor, batch: ItemsIn) -> ItemsOut:
    """Add or change up to 1,000 items; one that is refused is told with its position, the others land."""
    with or_unavailable(_LATER):
        outcome = await service.put_items(db, settings, caller.tenant, batch.items)
    refused = [RefusedItem(index=index, reason=reason) for index, reason in outcome.refused]
    warnings = [ItemWarning(index=index, reason=reason) for index, reason in outcome.warnings[:MOST_ITEMS]]
    return ItemsOut(read=len(batch.items), landed=outcome.landed, unchanged=outcome.unchanged, refused=refused, warnings=warnings)


@router.put("/{item_id:id}", responses=problems(503))
async def put_item(db: Db, settings: Configured, caller: Editor, item_id: ItemId, item: ItemIn) -> ItemOut:
    """Add an item or change it as a whole; shows in answers within moments."""
    try:
        with or_unavailable(_LATER):
            stored, notes = await service.put_item(db, settings, caller.tenant, item_id, item.model_dump())
    except ItemRefused as reason:
        raise Invalid(f"The item cannot be stored: {reason}.") from None
    return ItemOut.of(stored, notes)


@router.get("/{item_id:id}", responses=problems(404, 503))
async def get_item(db: Db, caller: Editor, item_id: ItemId) -> ItemOut:
    """Return an item as it was sent."""
    with or_unavailable(_LATER):
        stored = await service.get_item(db, caller.tenant, item_id)
    if stored is None:
        raise NotFound("There is no item with this id.")
    return ItemOut.of(stored)


@router.delete("/{item_id:id}", responses=problems(404, 503))
async def delete_item(db: Db, caller: Editor, item_id: ItemId) -> ItemGone:
    """Take an item out of the catalogue; if it is put back, what was learned about it still holds."""
    with or_unavailable(_LATER):
        found = await service.take_out_item(db, caller.tenant, item_id)
    if not found:
        raise NotFound("There is no item with this id.")
    return ItemGone(item_id=item_id, deleted=True)
