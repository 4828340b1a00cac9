"""Admin routes of templates."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.content.templates import service
from app.content.templates.schemas import TemplateIn, TemplateList, TemplateOut
from app.data.reach import or_unavailable

router = APIRouter(prefix="/v1/admin/templates", tags=["templates"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.ADMIN))]
TemplateName = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
_LATER = "Templates cannot be reached now; try again."


@router.get("")
async def list_templates(request: Request, caller: Reader) -> TemplateList:
    """List the published templates."""
    with or_unavailable(_LATER):
        found = await service.listed(request.app.state.db, caller.tenant)
    return TemplateList(templates=[TemplateOut.of(document) for document in found])


@router.get("/{name}", responses=problems(404))
async def list_versions(request: Request, caller: Reader, name: TemplateName) -> TemplateList:
    """List all versions of a template, newest first."""
    with or_unavailable(_LATER):
        found = await service.history(request.app.state.db, caller.tenant, name)
    return TemplateList(templates=[TemplateOut.of(document) for document in found])


@router.put("/{name}")
async def publish_template(request: Request, caller: Editor, name: TemplateName, template: TemplateIn) -> TemplateOut:
    """Publish a new version of a template, once it rendered with a probe item; it shows in answers within a second."""
    with or_unavailable(_LATER):
        return TemplateOut.of(await service.publish(request.app.state.db, caller.tenant, name, template.model_dump()))
