"""HTTP routes of the catalogue."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import Invalid, NotFound
from app.data.catalog import service
from app.data.catalog.domain import LONGEST_ID, ItemRefused
from app.data.catalog.schemas import ItemGone, ItemIn, ItemOut, ItemsIn, ItemsOut, RefusedItem
from app.data.reach import or_unavailable

router = APIRouter(prefix="/v1/items", tags=["catalogue"], responses=PROTECTED)
Editor = Annotated[Principal, Depends(require(Scope.CATALOG))]
ItemId = Annotated[str, Path(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00-\x1f\x7f]+$")]
_LATER = "The catalogue cannot be reached now; try again."


@router.post("/batch", responses=problems(503))
async def put_items(request: Request, caller: Editor, batch: ItemsIn) -> ItemsOut:
    """Add or change up to 1,000 items; one that is refused is told with its position, the others land."""
    state = request.app.state
    with or_unavailable(_LATER):
        outcome = await service.put_items(state.db, state.settings, caller.tenant, batch.items)
    refused = [RefusedItem(index=index, reason=reason) for index, reason in outcome.refused]
    return ItemsOut(read=len(batch.items), landed=outcome.landed, unchanged=outcome.unchanged, refused=refused)


@router.put("/{item_id}", responses=problems(503))
async def put_item(request: Request, caller: Editor, item_id: ItemId, item: ItemIn) -> ItemOut:
    """Add an item or change it as a whole; shows in answers within moments."""
    state = request.app.state
    try:
        with or_unavailable(_LATER):
            stored = await service.put_item(state.db, state.settings, caller.tenant, item_id, item.model_dump())
    except ItemRefused as reason:
        raise Invalid(f"The item cannot be stored: {reason}.") from None
    return ItemOut.of(stored)


@router.get("/{item_id}", responses=problems(404, 503))
async def get_item(request: Request, caller: Editor, item_id: ItemId) -> ItemOut:
    """Return an item as it was sent."""
    with or_unavailable(_LATER):
        stored = await service.get_item(request.app.state.db, caller.tenant, item_id)
    if stored is None:
        raise NotFound("There is no item with this id.")
    return ItemOut.of(stored)


@router.delete("/{item_id}", responses=problems(404, 503))
async def delete_item(request: Request, caller: Editor, item_id: ItemId) -> ItemGone:
    """Take an item out of the catalogue; if it is put back, what was learned about it still holds."""
    with or_unavailable(_LATER):
        found = await service.take_out_item(request.app.state.db, caller.tenant, item_id)
    if not found:
        raise NotFound("There is no item with this id.")
    return ItemGone(item_id=item_id, deleted=True)
