"""Moments at the ends of time, NUL and lone surrogates in what administrators send are refused, never a fault of ours."""

from typing import Any

from tests.serving.shop import Shop

LAST, FIRST = "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"
SEND = {"placement": "email-grid", "duration_s": 60, "everyone": True}
CALLS: list[tuple[str, str, Any]] = [
    ("GET", f"/v1/admin/signals?to={LAST}", None),
    ("GET", "/v1/admin/signals?from=0001-01-01T00:00:00%2B23:59", None),
    ("GET", "/v1/admin/signals?campaign=%00", None),
    ("GET", "/v1/admin/signals?placement=%00", None),
    ("GET", "/v1/admin/refused-events?reason=%00", None),
    ("DELETE", "/v1/admin/refused-events?reason=%00", None),
    ("POST", "/v1/admin/refused-events/replay", '{"reason": "\\u0000"}'),
    ("POST", "/v1/admin/refused-events/replay", '{"reason": "\\ud800"}'),
    ("POST", "/v1/admin/refused-events/replay", '{"changes": {"event": "\\ud800"}}'),
    ("POST", "/v1/admin/refused-events/replay", '{"changes": {"\\ud800": 1}}'),
    ("POST", "/v1/admin/refused-events/1/replay", '{"message": {"event": "\\ud800"}}'),
    ("POST", "/v1/admin/sends", SEND | {"start": LAST}),
    ("POST", "/v1/admin/sends", SEND | {"start": FIRST}),
    ("POST", "/v1/admin/sends", '{"placement": "email-grid", "duration_s": 60, "everyone": true, "name": "\\ud800"}'),
    ("POST", "/v1/admin/sends", SEND | {"name": "\0"}),
    ("POST", "/v1/admin/clients", '{"name": "\\ud800", "scopes": ["recommend"]}'),
    ("POST", "/v1/admin/clients", {"name": "\0", "scopes": ["recommend"]}),
    ("POST", "/v1/admin/clients/mc_none/keys", {"expires_at": LAST}),
    ("POST", "/v1/admin/clients/mc_none/keys", {"expires_at": FIRST}),
    ("GET", "/v1/admin/people/%00", None),
    ("GET", "/v1/admin/people/%00/merges", None),
    ("DELETE", "/v1/admin/people/%00", None),
    ("PUT", "/v1/admin/people/%00/consent", {"personalisation": True}),
    ("GET", "/v1/admin/signals/people/%00", None),
    ("GET", "/v1/admin/placements/%00", None),
    ("GET", "/v1/admin/placements/%00/diff", None),
    ("GET", "/v1/admin/placements/%00/audit", None),
    ("POST", "/v1/admin/placements/%00/rollback", {}),
    ("PUT", "/v1/admin/placements/%00", {}),
    ("DELETE", "/v1/admin/templates/%00", None),
    ("PUT", "/v1/admin/placements/email-grid", '{"fallback_html": "\\ud800"}'),
    ("PUT", "/v1/admin/templates/one", '{"html": {"frame": "\\ud800", "card": ""}}'),
    ("POST", "/v1/admin/placements/%00/preview", {}),
    ("POST", "/v1/admin/placements/email-grid/preview", '{"user_id": "\\ud800"}'),
    ("POST", "/v1/admin/placements/email-grid/preview", '{"document": {"\\ud800": 1}}'),
    ("PUT", "/v1/admin/placements/email-grid", '{"blocked": ["\\ud800"]}'),
    ("POST", "/v1/admin/clients", '{"\\ud800": 1}'),
    ("GET", "/v1/admin/models/personal/%00", None),
    ("GET", "/v1/items/%00", None),
]


async def test_what_cannot_be_stored_or_counted_is_refused(shop: Shop) -> None:
    wrong = {}
    for n, (method, path, body) in enumerate(CALLS):
        sent = {"content": body.encode()} if isinstance(body, str) else {"json": body}
        answer = await shop.http.request(
            method, path, headers={"X-Api-Key": shop.key, **({"Content-Type": "application/json"} if body is not None else {})}, **sent
        )
        if not 400 <= answer.status_code < 500 or not answer.headers["content-type"].startswith("application/problem+json"):
            wrong[n, method, path] = (answer.status_code, answer.text[:200])
    assert wrong == {}


async def test_a_replay_with_nul_stays_refused_or_is_stored_without_a_fault(shop: Shop) -> None:
    headers = {"X-Api-Key": shop.key}
    for field in ("event", "userId", "messageId"):
        kept = await shop.http.post(
            "/v1/batch", json={"batch": [{"type": "track", "timestamp": "2026-05-01", "x": field}]}, headers=headers
        )
        assert len(kept.json()["refused"]) == 1
        event = {"event": "Product Viewed", "userId": "u1", "properties": {"product_id": "i1"}, field: "a\0b"}
        answer = await shop.http.post("/v1/admin/refused-events/replay", json={"changes": event}, headers=headers)
        assert answer.status_code == 200, (field, answer.text)
        told = answer.json()
        assert told["replayed"] + told["still_refused"] >= 1
