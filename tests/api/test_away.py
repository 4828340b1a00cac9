"""With PostgreSQL gone, every route answers as documented: serving serves, the others say 503."""

import re
from typing import Any

from app.core.db import Database
from app.data.events.intake import Intake
from app.data.events.refused.service import Refusals
from app.data.identity.vault import DataKeys
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
    ("put", "/v1/admin/placements/{name}/draft"): {},
    ("put", "/v1/admin/templates/{name}/draft"): {"html": PART, "text": PART},
    ("post", "/v1/admin/placements/{name}/preview"): {},
    ("post", "/v1/admin/templates/{name}/preview"): {},
    ("patch", "/v1/admin/people/{user_id}/traits"): {"city": "Leeds"},
    ("put", "/v1/admin/rules/{name}"): {"action": "exclude", "where": "item.price > 9"},
    ("put", "/v1/admin/rules/{name}/draft"): {"action": "exclude", "where": "item.price > 9"},
    ("put", "/v1/admin/clusters/{name}"): {},
    ("put", "/v1/admin/clusters/{name}/draft"): {},
    ("post", "/v1/admin/placements/{name}/dry-run"): {},
    ("post", "/v1/admin/rules/{name}/dry-run"): {},
    ("post", "/v1/admin/templates/{name}/dry-run"): {},
    ("post", "/v1/admin/segments/{name}/dry-run"): {"when": "views > 3"},
    ("put", "/v1/admin/segments/{name}"): {"when": "views > 3"},
    ("put", "/v1/admin/segments/{name}/draft"): {"when": "views > 3"},
    ("put", "/v1/admin/segments/{name}/list"): {"an id": "a line"},
    ("post", "/v1/admin/segments/estimate"): {"when": "views > 3"},
    ("post", "/v1/admin/refused-events/replay"): {},
    ("post", "/v1/admin/refused-events/{refused_no}/replay"): {},
    ("post", "/v1/admin/models/compare-lists"): {"a": "personal/1", "b": "personal/2", "user_id": "1"},
    ("post", "/login"): {"email": "a@shop.example", "password": "a horse reads quietly"},
    ("post", "/login/links"): {"link": "0123456789"},
    ("post", "/v1/admin/accounts"): {"email": "a@shop.example", "role": "viewer"},
    ("patch", "/v1/admin/accounts/{account_no}"): {"disabled": True},
    ("post", "/login/provider"): {"redirect_uri": "http://127.0.0.1:8001/login/callback"},
    ("post", "/login/provider/finish"): {"code": "1", "state": "1"},
    ("post", "/v1/admin/imports"): {"a file": "of one row"},
    ("put", "/v1/admin/imports/mappings/{what}/{name}"): {"options": {}},
    ("post", "/v1/admin/sends"): {"placement": "email-grid", "duration_s": 60, "everyone": True},
}
# these stand in memory, or need no store
ANSWERING = (
    "/v1/recommendations",
    "/v1/snippets/{placement}",
    "/v1/rank",
    "/v1/admin/facts",
    "/livez",
    "/readyz",
    "/metrics",
    "/.well-known",
    "/tracker.js",
    "/o/",
)
# the first names the provider, the second a program, the third says that the database is away
TELLING = (("get", "/login/provider"), ("get", "/v1/admin/me"), ("get", "/v1/admin/health"))
# these refuse what is asked before any store is: no such link, no such credential in the form
REFUSING = {
    "/c/{token}/{position}": 404,
    "/v1/admin/facts/{name}": 404,
    "/oauth/token": 400,
    "/oauth/revoke": 400,
    "/login/provider": 404,
    "/login/provider/finish": 401,
    # these belong to somebody who signed in
    "/v1/admin/sessions": 401,
    "/v1/admin/sessions/current": 401,
    "/v1/admin/sessions/{session_no}": 401,
    "/v1/admin/me": 401,
    "/v1/admin/me/second-factor": 401,
}


async def test_no_route_fails_when_the_database_is_away(shop: Shop) -> None:
    document = shop.app.openapi()
    gone = Database("postgresql://morsel@/none?host=/nonexistent", connect_timeout=1)
    shop.app.state.db = shop.app.state.access.db = gone
    shop.app.state.intake = Intake(gone, DataKeys(shop.settings), most_bytes=1_000_000)
    shop.app.state.refusals = Refusals(gone, DataKeys(shop.settings), most_bytes=1_000_000)
    wrong = {}
    given = {"placement": "email-grid", "reason": "a", "with": "personal/1", "what": "items", "file_name": "a.csv"}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            known = {one["name"] for one in told.get("parameters", ()) if one["in"] == "query"}
            target = re.sub(
                r"\{\w+\}", "1", path.replace("{placement}", "email-grid").replace("{recommender}", "personal").replace("{what}", "items")
            )
            answer = await shop.http.request(
                method.upper(),
                target,
                params={name: value for name, value in given.items() if name in known and not path.endswith("dry-run")},
                json=BODIES.get((method, path)),
                headers={"X-Api-Key": shop.key},
            )
            expected = 200 if (method, path) in TELLING else REFUSING.get(path, 200 if path.startswith(ANSWERING) else 503)
            if answer.status_code != expected:
                wrong[method, path] = (answer.status_code, answer.text[:200])
            elif expected == 503:
                assert answer.json()["code"] == "unavailable"
    await gone.close()
    assert wrong == {}
