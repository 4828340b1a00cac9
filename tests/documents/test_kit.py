"""Documents over HTTP: what is shown can be published, two editors do not overwrite each other, and all is told and undone."""

from typing import Any

import httpx2
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text

from app.core.ids import DEFAULT_TENANT
from app.documents import api
from app.documents.kinds import Finding, Kind
from app.plugins import users
from tests.serving.shop import Shop

PART = {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": "<b>{{ item.title }}</b>"}


async def send(shop: Shop, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
    return await shop.http.request(method, f"/v1/admin/{path}", json=body, headers={"X-Api-Key": shop.key, **headers})


async def test_what_is_shown_can_be_published_and_two_editors_do_not_overwrite_each_other(shop: Shop) -> None:
    for path in ("placements/email-grid", "templates/grid"):
        shown = await send(shop, "GET", f"{path}/published")
        tag = shown.headers["etag"]
        assert tag == '"1"'
        again = await send(shop, "PUT", path, shown.json(), **{"If-Match": tag})
        assert (again.status_code, again.json()["version"], again.headers["etag"]) == (200, 2, '"2"')
        late = await send(shop, "PUT", path, again.json()[path.split("s/")[0]], **{"If-Match": tag})
        assert (late.status_code, late.json()["code"]) == (412, "changed")
        inside = await send(shop, "PUT", path, shown.json())
        assert inside.status_code == 412, "the version inside of what was shown counts too"
        assert (await send(shop, "DELETE", path, **{"If-Match": '"1"'})).status_code in (409, 412)
        other = await send(shop, "PUT", path, {**shown.json(), "name": "other"})
        assert other.status_code == 422
        assert (await send(shop, "PUT", path, {}, **{"If-Match": "soon"})).status_code == 400


async def test_a_draft_is_not_served_and_every_deed_can_be_undone_and_is_told(shop: Shop) -> None:
    await send(shop, "PUT", "placements/spring", {"count": 2})
    made = (await send(shop, "PUT", "placements/spring/draft", {"count": 3})).json()
    assert (made["version"], made["published"], made["draft"]) == (2, False, True)
    await shop.settled()
    assert (await shop.get(placement="spring", user_id="u1")).json()["item_count"] == 2
    changed = (await send(shop, "GET", "placements/spring/diff")).text
    assert '-  "count": 2,' in changed
    assert '+  "count": 3,' in changed
    live = (await send(shop, "POST", "placements/spring/rollback", {"version": 2})).json()
    assert (live["version"], live["published"], live["draft"]) == (2, True, False)
    back = (await send(shop, "POST", "placements/spring/rollback")).json()
    assert back["version"] == 1
    assert (await send(shop, "DELETE", "placements/spring")).status_code == 204
    await shop.settled()
    assert (await shop.get(placement="spring", strict="1")).status_code == 404
    assert (await send(shop, "GET", "placements/spring/published")).status_code == 404
    assert len((await send(shop, "GET", "placements/spring")).json()["placements"]) == 2
    again = (await send(shop, "POST", "placements/spring/rollback")).json()
    assert (again["version"], again["published"]) == (1, True)
    told = (await send(shop, "GET", "placements/spring/audit")).json()["audit"]
    assert [(one["what"], one["before"], one["after"]) for one in told] == [
        ("rollback", None, 1), ("delete", 1, None), ("rollback", 2, 1), ("publish", 1, 2), ("draft", 1, 2), ("publish", None, 1),
    ]  # fmt: skip
    assert all(one["who"].startswith("client ") and one["at"] for one in told)


async def test_what_others_rest_on_cannot_be_deleted(shop: Shop) -> None:
    for path, word in (("placements/home-popular", "answers"), ("templates/grid", "answers"), ("templates/hero", "email-hero")):
        refused = await send(shop, "DELETE", path)
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        assert word in refused.json()["detail"]
    assert (await send(shop, "DELETE", "placements/none")).status_code == 404
    assert (await send(shop, "POST", "placements/email-grid/rollback")).status_code == 404
    assert (await send(shop, "POST", "placements/email-grid/rollback", {"version": 9})).status_code == 404


NEVER: tuple[tuple[Any, str, str], ...] = (
    ({"colour": "red"}, "colour", "there is no such field"),
    ({"fliter": {}}, "fliter", "did you mean filter?"),
    ({"filter": {"not_brnads": ["a"]}}, "filter.not_brnads", "did you mean not_brands?"),
    ({"template": "gird"}, "template", "did you mean grid?"),
    ({"recommender": "personnal"}, "recommender", "did you mean personal?"),
    ({"filter": {"price_min": 9, "price_max": 2}}, "filter.price_min", "no item can pass"),
)


async def test_what_can_never_work_is_refused_with_the_nearest_name(shop: Shop) -> None:
    for body, field, says in NEVER:
        refused = await send(shop, "PUT", "placements/new", body)
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error["field"] == field
        assert says in error["message"]


async def test_what_does_not_work_now_is_told_and_refused_only_when_strict(shop: Shop) -> None:
    body = {
        "filter": {"categories": ["Shoez", "hats"], "brands": ["Acmee"], "kinds": ["produkt"]},
        "fixed": {"items": ["i1", "gone"]}, "blocked": ["i2", "nothing"],
    }  # fmt: skip
    made = await send(shop, "PUT", "placements/new", body)
    assert made.status_code == 200
    told = {one["field"]: one["message"] for one in made.json()["findings"]}
    assert told["filter.categories"] == "no item has the category Shoez; did you mean Shoes?"
    assert told["filter.brands"] == "no item has the brand Acmee; did you mean Acme?"
    assert told["filter.kinds"] == "no item has the kind produkt; did you mean product?"
    assert told["fixed.items"] == "the catalogue has no item gone"
    assert told["blocked"] == "the catalogue has no item nothing"
    assert told["filter"].startswith("this filter leaves 0 of 120 products")
    assert (await send(shop, "PUT", "placements/new?strict=1", body)).status_code == 422
    fine = await send(shop, "PUT", "placements/new?strict=1", {"filter": {"categories": ["hats"]}})
    assert fine.json()["findings"] == [
        {"level": "info", "field": "filter", "message": "this filter leaves 30 of 120 products that are in stock"}
    ]


async def test_variables_that_nothing_stands_for_are_told(shop: Shop) -> None:
    card = "{{ item.title }}{{ item.ttle | upcase }}{{ person.first_name }}{{ shop }}"
    made = await send(shop, "PUT", "templates/new", {"html": {**PART, "card": card}, "text": PART})
    told = [(one["level"], one["field"], one["message"]) for one in made.json()["findings"]]
    assert ("warning", "html.card", "{{ item.ttle }} is nothing that an item has; did you mean title?: it is empty") in told
    ways = 'write person.facts["orders.30d"], person.traits.first_name or person.segments'
    assert ("warning", "html.card", f"line 1: person.first_name is nothing to show: {ways}") in told
    assert ("warning", "html.card", "{{ shop }} is no variable here: it is empty") in told
    empty = await send(shop, "PUT", "templates/new", {"html": {"frame": "", "card": "x"}, "text": PART})
    assert empty.status_code == 422
    assert "renders to nothing" in empty.json()["detail"]
    bad = await send(shop, "PUT", "templates/E mail", {"html": PART, "text": PART})
    assert bad.status_code == 422
    assert "e-mail would do" in bad.json()["detail"]


class Toy(BaseModel):
    """A kind that this program does not have."""

    size: int = 1


async def test_a_further_kind_of_document_is_one_entry(shop: Shop) -> None:
    async with shop.db.begin() as connection:
        for statement in (
            "create table toy (tenant smallint, toy_no int generated always as identity, name text, published int, unique (tenant, name))",
            "create table toy_version (tenant smallint, toy_no int, version int, document jsonb, created_at timestamptz default now(), "
            "published_at timestamptz)",
        ):
            await connection.execute(text(statement))
    kind = Kind(
        "toy", Toy, {"first": Toy()}, lambda toy, names, facts: [Finding(level="info", field="size", message="a toy")], lambda _: ()
    )
    app: FastAPI = shop.app
    app.include_router(api.router(kind, users))
    made = await send(shop, "PUT", "toys/blue", {"size": 2})
    assert (made.json()["toy"], made.json()["findings"][0]["message"]) == ({"size": 2}, "a toy")
    assert [one["name"] for one in (await send(shop, "GET", "toys")).json()["toys"]] == ["blue"]
    assert (await send(shop, "DELETE", "toys/blue")).status_code == 204
    assert await shop.db.rows("select count(*) from audit where tenant = :t and kind = 'toy'", t=DEFAULT_TENANT) == [(2,)]
