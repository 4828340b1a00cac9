"""The catalogue in the dashboard: found as somebody types, an item with all that is known of it, and who may see who bought it."""

import re
import time

import httpx

from app.access.accounts.domain import Role
from tests.dashboard.site import Browser, Site

HOSTILE = "<img src=x onerror=alert(1)> {{7*7}}"


def put(site: Site, item_id: str, **fields: object) -> None:
    with site.admin() as admin:
        batch = {"items": [{"id": item_id, "price": "10 EUR", **fields}]}
        answer = admin.post("/v1/items/batch", json=batch).json()
        assert answer["landed"] == 1, answer


def key(site: Site) -> dict[str, str]:
    """Return what a program shows that may ask and tell."""
    with site.admin() as admin:
        made = admin.post("/v1/admin/clients", json={"name": "shop", "kind": "service", "scopes": ["recommend", "events"]}).json()
        answer = admin.post(f"/v1/admin/clients/{made['client_id']}/keys", json={"kind": "api"})
        assert answer.status_code == 201, answer.text
        return {"X-Api-Key": answer.json()["key"]}


def asked(site: Site, headers: dict[str, str]) -> str:
    """Return the first item of an answer."""
    for _ in range(50):
        params = {"placement": "email-grid", "user_id": site.kept.people[0].user_id}
        answer = httpx.get(f"{site.api}/v1/recommendations", params=params, headers=headers)
        if answer.status_code == 200:
            return str(answer.json()["items"][0]["item_id"])
        time.sleep(0.1)
    raise AssertionError(answer.text)


def test_items_are_found_by_the_beginning_of_their_id_and_of_words(site: Site) -> None:
    put(site, "ZQ-100/a", title="Quillon lantern", brand="Vendel & Co", category="Garden>Lights", availability="out_of_stock")
    put(site, "ZQ-100", title="Quillon lamp", brand="Vendel & Co", category="Garden > Lights > Lamps")
    with site.admin() as admin:

        def ids(**query: object) -> list[str]:
            return [one["item_id"] for one in admin.get("/v1/admin/catalogue/items", params=query).json()["items"]]  # type: ignore[arg-type]

        assert ids(q="ZQ-1") == ["ZQ-100", "ZQ-100/a"]
        assert ids(q="ZQ-100/a") == ["ZQ-100/a"]
        assert ids(q="qui lan") == ["ZQ-100/a"]
        assert ids(q="VENDEL lamp") == ["ZQ-100"]
        assert ids(q="vendel", category="Garden > Lights") == ["ZQ-100", "ZQ-100/a"]
        assert ids(q="vendel", category="Garden > Lights > Lamps") == ["ZQ-100"]
        assert ids(brand="Vendel & Co", available="false") == ["ZQ-100/a"]
        assert ids(q="%") == []
        assert ids(q="'\\ & !(") == []


def test_the_exact_id_comes_first_and_pages_follow_one_another_without_gap(site: Site) -> None:
    for number in range(7):
        put(site, f"page-{number}", title=f"Pagewise thing {number}")
    with site.admin() as admin:
        assert admin.get("/v1/admin/catalogue/items", params={"q": "page-0"}).json()["items"][0]["item_id"] == "page-0"
        met, before = [], None
        while True:
            page = admin.get(
                "/v1/admin/catalogue/items", params={"q": "pagewise", "limit": 3, **({"before": before} if before else {})}
            ).json()
            met += [one["item_id"] for one in page["items"]]
            before = page["next"]
            assert page["total"] == 7
            if before is None:
                break
        assert met == [f"page-{number}" for number in reversed(range(7))]


def test_typing_asks_for_the_table_alone(browser: Browser) -> None:
    part = browser.http.get("/catalogue?q=page", headers={"X-Part": "1"})
    assert "<html" not in part.text
    assert "<table" in part.text or "Nothing is called so" in part.text
    page = browser.get("/catalogue")
    assert 'data-search="found"' in page
    assert re.search(r"<option value=\"[^\"]+\">[^<]+\(\d+\)</option>", page)


def test_an_item_shows_price_variants_popularity_and_what_blocks_it(site: Site, browser: Browser) -> None:
    put(
        site,
        "sale-1",
        item_group_id="sale-g",
        title="Sunday hat",
        price="20 EUR",
        sale_price="15 EUR",
        availability="7",
        image_link="https://x.example/p.jpg",
    )
    put(site, "sale-2", item_group_id="sale-g", title="Sunday hat, blue")
    with site.admin() as admin:
        assert admin.put("/v1/admin/placements/without-hats", json={"count": 2, "blocked": ["sale-g"]}).status_code == 200
        told = admin.get("/v1/admin/catalogue/items/sale-1").json()
    assert (told["item"]["price"], told["item"]["full_price"], told["sale"]["holds"], told["availability"]) == (15, 20, True, "7")
    assert [one["item_id"] for one in told["variants"]] == ["sale-1", "sale-2"]
    assert told["rules"] == [{"placement": "without-hats", "rule": "blocked"}]
    assert told["buyers"] is None
    page = browser.get("/catalogue/items/sale-1")
    assert "15.00 EUR" in page
    assert "instead of 20.00" in page
    assert "without-hats never shows this item" in page
    assert "Sunday hat, blue" in page
    assert 'src="https://x.example/p.jpg"' in page


def test_an_item_says_where_it_was_shown_and_how_popular_it_is(site: Site) -> None:
    with site.admin() as admin:
        item_id = asked(site, key(site))
        for _ in range(50):
            told = admin.get(f"/v1/admin/catalogue/items/{item_id}").json()
            if told["shown"]["placements"]:
                break
            time.sleep(0.1)
    assert told["shown"]["placements"][0]["placement"] == "email-grid"
    assert told["popular"] == [] or told["popular"][0]["rank"] >= 1


def test_who_bought_an_item_is_told_only_to_roles_that_may_read_profiles_and_stands_in_the_audit_log(site: Site, browser: Browser) -> None:
    put(site, "bought-1", title="A thing to buy")
    with site.admin() as admin:
        event = {
            "event": "Order Completed",
            "userId": "buyer-<b>",
            "properties": {"order_id": "o1", "products": [{"product_id": "bought-1", "price": 10, "quantity": 1}]},
        }
        headers = key(site)
        asked(site, headers)
        answer = httpx.post(f"{site.api}/v1/track", json=event, headers=headers)
        assert answer.status_code == 200, answer.text
        for _ in range(50):
            told = admin.get("/v1/admin/catalogue/items/bought-1", params={"buyers": True}).json()
            if told["buyers"]:
                break
            time.sleep(0.1)
        assert [(one["kind"], one["value"]) for one in told["buyers"]] == [("user_id", "buyer-<b>")]
    assert "Show who bought it" in browser.get("/catalogue/items/bought-1")
    page = browser.get("/catalogue/items/bought-1?buyers=true")
    assert "buyer-&lt;b&gt;" in page
    with site.admin() as admin:
        lines = admin.get("/v1/admin/audit", params={"kind": "item"}).json()["lines"]
    assert lines[0]["what"] == "read buyers"
    assert lines[0]["name"] == "bought-1"
    marketer = site.browser(Role.MARKETER)
    page = marketer.get("/catalogue/items/bought-1?buyers=true")
    assert "buyer-" not in page
    assert "Your role may not see who bought what" in page
    refused = marketer.http.get(
        f"{site.api}/v1/admin/catalogue/items/bought-1?buyers=true", headers={"Authorization": f"Bearer {marketer.token}"}
    )
    assert refused.status_code == 403


def test_hostile_titles_are_text_and_ids_with_odd_signs_are_reached(site: Site, browser: Browser) -> None:
    put(site, "odd/50%/&?#", title=HOSTILE, brand=HOSTILE, category=f"{HOSTILE} > \u202eabc")
    put(site, "long-title", title="word " * 390)
    found = browser.get("/catalogue?q=odd%2F50%25")
    assert "&lt;img src=x onerror=alert(1)&gt;" in found
    assert "<img src=x" not in found
    address = re.search(r'href="(/catalogue/items/odd[^"]+)"', found)
    assert address
    page = browser.get(address[1])
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page
    assert "{{7*7}}" in page
    assert "word word" in browser.get("/catalogue/items/long-title")
    browser.get("/catalogue/items/there-is-none", 404)


def test_counts_of_the_catalogue_follow_its_changes(site: Site) -> None:
    with site.admin() as admin:
        admin.get("/v1/admin/catalogue/facets")
        put(site, "facet-1", title="x", brand="Onlyhere")
        for _ in range(150):
            brands = {one["name"] for one in admin.get("/v1/admin/catalogue/facets").json()["brands"]}
            if "Onlyhere" in brands:
                return
            time.sleep(0.1)
    raise AssertionError("the new brand did not show")
