"""Who is at the browser: the session's cookie, and what keeps other sites from acting in their name."""

import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from app.core.errors import Forbidden

SAFE = frozenset({"GET", "HEAD"})
# a list of people may be pasted
_LARGEST_FIELD = 16_000_000


def cookie_name(request: Request) -> str:
    """Return the cookie's name; browsers share cookies between the ports of a machine, so it names the port."""
    if secure(request):
        return "__Host-morsel"
    return f"morsel_{urlsplit(str(request.base_url)).port or 80}"


def secure(request: Request) -> bool:
    """Tell whether the browser came by TLS, to us or to a proxy in front of us."""
    return request.url.scheme == "https" or bool(request.app.state.settings.dashboard_url.startswith("https://"))


def token(request: Request) -> str:
    """Return the session of the browser, empty where there is none."""
    return request.cookies.get(cookie_name(request), "")


def remember(request: Request, response: Response, session: str, lasts_s: int) -> None:
    """Give the browser a session; scripts cannot read it, and other sites' forms do not send it."""
    response.set_cookie(cookie_name(request), session, max_age=lasts_s, httponly=True, samesite="lax", secure=secure(request), path="/")


def forget(request: Request, response: Response) -> None:
    """Take the session from the browser."""
    response.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="lax", secure=secure(request))


def csrf(session: str) -> str:
    """Return what each form carries: only a page of ours knows it, since no other site can read the session."""
    return hashlib.sha256(b"csrf:" + session.encode()).hexdigest() if session else ""


async def check_origin(request: Request) -> None:
    """Refuse a change that another site started; raises Forbidden."""
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = urlsplit(str(request.base_url)).netloc
    public = urlsplit(request.app.state.settings.dashboard_url).netloc
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden("This change did not start on a page of this dashboard.")
    if origin is not None and urlsplit(origin).netloc not in (own, public or own):
        raise Forbidden("This change did not start on a page of this dashboard.")
    session = token(request)
    if session:
        sent = request.headers.get("x-csrf") or (await _form_token(request))
        if not hmac.compare_digest(sent.encode(), csrf(session).encode()):
            raise Forbidden("This form is not one of this dashboard, or it is from an earlier session: reload the page.")


async def _form_token(request: Request) -> str:
    kind = request.headers.get("content-type", "")
    if not kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return ""
    value = (await request.form(max_part_size=_LARGEST_FIELD)).get("csrf", "")
    return value if isinstance(value, str) else ""
