"""The open pixel: an invisible picture in a letter, whose token says which serve was opened, with every database dead too."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.access.deps import problems
from app.serving.clickback.queue import Responses, response
from app.serving.render.links import BadLink, Links

GIF = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_OK: dict[int | str, dict[str, Any]] = {
    200: {"description": "A picture of one transparent dot.", "content": {"image/gif": {"schema": {"type": "string", "format": "binary"}}}},
    **problems(422),
}
# a proxy that keeps the picture would hide every later open
_ANEW = {"Cache-Control": "private, no-store, no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}


class Pixel:
    """Notes opens."""

    def __init__(self, links: Links, responses: Responses) -> None:
        self._links = links
        self._responses = responses

    def opened(self, token: str, agent: str) -> None:
        """Note the open of a serve; a token that we did not sign counts nothing."""
        try:
            served = self._links.read(token)
        except BadLink:
            return
        self._responses.add(response(served, 0, agent))


router = APIRouter(tags=["links"])
Token = Annotated[str, Path(max_length=4096)]


@router.get("/o/{token}.gif", response_class=Response, responses=_OK)
async def opened(request: Request, token: Token) -> Response:
    """Record that a letter was opened, and answer a picture of one dot; a token that is not ours gets it too, and counts nothing."""
    pixel: Pixel = request.app.state.pixel
    pixel.opened(token, request.headers.get("user-agent", ""))
    return Response(GIF, media_type="image/gif", headers=_ANEW)


@router.head("/o/{token}.gif", response_class=Response, responses=_OK)
async def looked(token: Token) -> Response:
    """The same without a body; nothing is recorded."""
    return Response(media_type="image/gif", headers={**_ANEW, "Content-Length": str(len(GIF))})
