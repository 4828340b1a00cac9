"""With PostgreSQL gone, every route answers as documented: serving serves, the others say 503."""

import re
from typing import Any

from app.core.db import Database
from app.data.events.intake import Intake
from app.data.events.refusals.service import Refusals
from app.data.people.keys import DataKeys
from tests.serving.shop import Shop

PART = {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": "{{ item.title }}"}
BODIES: dict[tuple[str, str], Any] = {
    ("post", "/v1/admin/clients"): {"name": "new", "scopes": ["recommend"]},
    ("post", "/v1/admin/clients/{client_id}/keys"): {},
    ("post", "/v1/admin/signing-keys/rotate"): {},
    ("post", "/v1/recommendations"): {"placement": "email-grid"},
    ("post", "/v1/rank"): {"items": ["i1"]},
    ("post", "/v1/items/batch"): {"items": [{"id": "i1"}]},
    ("put", "/v1/items/{item_id}"): {"title": "One"},
    ("post", "/v1/batch"): {"batch": [{"type": "track", "event": "Product Viewed", "userId": "u1", "properties": {"product_id": "i1"}}]},
    **{
        ("post", f"/v1/{call}"): {"event": "Product Viewed", "userId": "u1", "properties": {"product_id": "i1"}}
        for call in ("track", "identify", "page", "screen", "group", "alias")
    },
    ("put", "/v1/admin/people/{user_id}/consent"): {"personalisation": True},
    ("put", "/v1/admin/placements/{name}"): {},
    ("put", "/v1/admin/templates/{name}"): {"html": PART, "text": PART},
    ("post", "/v1/admin/refused-events/replay"): {},
    ("post", "/v1/admin/refused-events/{refused_no}/replay"): {},
    ("post", "/v1/admin/sends"): {"placement": "email-grid", "duration_s": 60, "everyone": True},
}
# these stand in memory, or need no store
ANSWERING = (
    "/v1/recommendations",
    "/v1/snippets/{placement}",
    "/v1/rank",
    "/livez",
    "/readyz",
    "/metrics",
    "/.well-known",
    "/tracker.js",
    "/o/",
)
# these refuse what is asked before any store is: no such link, no such credential in the form
REFUSING = {"/c/{token}/{position}": 404, "/oauth/token": 400, "/oauth/revoke": 400}


async def test_no_route_fails_when_the_database_is_away(shop: Shop) -> None:
    document = shop.app.openapi()
    gone = Database("postgresql://morsel@/none?host=/nonexistent", connect_timeout=1)
    shop.app.state.db = shop.app.state.access.db = gone
    shop.app.state.intake = Intake(gone, DataKeys(shop.settings), most_bytes=1_000_000)
    shop.app.state.refusals = Refusals(gone, DataKeys(shop.settings), most_bytes=1_000_000)
    wrong = {}
    for path, methods in document["paths"].items():
        for method in methods:
            target = re.sub(r"\{\w+\}", "1", path.replace("{placement}", "email-grid").replace("{recommender}", "personal"))
            answer = await shop.http.request(
                method.upper(),
                target,
                params={"placement": "email-grid", "reason": "a"},
                json=BODIES.get((method, path)),
                headers={"X-Api-Key": shop.key},
            )
            expected = 200 if path.startswith(ANSWERING) else REFUSING.get(path, 503)
            if answer.status_code != expected:
                wrong[method, path] = (answer.status_code, answer.text[:200])
            elif expected == 503:
                assert answer.json()["code"] == "unavailable"
    await gone.close()
    assert wrong == {}
