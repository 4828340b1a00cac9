"""The demo's credentials, made once: programs for every way in, and the page's own key, which never leaves the server."""

import contextlib
from urllib.parse import urlsplit

from app.access import service
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.errors import NotFound
from app.core.settings import Settings

_ALL = [Scope.RECOMMEND, Scope.EVENTS, Scope.CATALOG]


async def create(db: Database, settings: Settings, tenant: int) -> dict[str, str]:
    """Make the clients and keys that do not depend on the address; return ids, secrets and keys by name."""
    shop = await service.create_client(db, settings, tenant, NewClient(name="demo shop", kind=ClientKind.ESP, scopes=_ALL))
    admin = await service.create_client(db, settings, tenant, NewClient(name="demo administrator", scopes=[Scope.ADMIN]))
    page = NewKey(kind=KeyKind.API, scopes=[Scope.RECOMMEND, Scope.EVENTS, Scope.ADMIN_READ])
    return {
        "client_id": shop.client_id,
        "client_secret": shop.client_secret or "",
        "api_key": (await service.create_key(db, tenant, shop.client_id, NewKey(kind=KeyKind.API))).key,
        "write_key": (await service.create_key(db, tenant, shop.client_id, NewKey(kind=KeyKind.WRITE))).key,
        "admin_id": admin.client_id,
        "admin_secret": admin.client_secret or "",
        "page_key": (await service.create_key(db, tenant, admin.client_id, page)).key,
    }


async def renew_website(db: Database, settings: Settings, tenant: int, base_url: str, known: dict[str, str]) -> None:
    """Make a website key bound to the demo's own origin, in the place of the one for an earlier address.

    The origin counts too when the browser calls this machine localhost. `known` is changed: `website_id`, `website_key`.
    """
    if earlier := known.pop("website_id", ""):
        with contextlib.suppress(NotFound):
            await service.revoke_client(db, tenant, earlier)
    parts = urlsplit(base_url)
    origins = [f"{parts.scheme}://{parts.netloc}"]
    if parts.hostname == "127.0.0.1":
        origins.append(origins[0].replace("127.0.0.1", "localhost"))
    wanted = NewClient(name="demo website", kind=ClientKind.WEBSITE, scopes=[Scope.RECOMMEND, Scope.EVENTS], origins=origins)
    client = await service.create_client(db, settings, tenant, wanted)
    known["website_id"] = client.client_id
    known["website_key"] = (await service.create_key(db, tenant, client.client_id, NewKey(kind=KeyKind.WEBSITE))).key
