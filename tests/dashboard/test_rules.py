"""Rules in the dashboard: fields become documents, tried on people, published, and told where they acted."""

import html
import json
import re
from collections.abc import Callable

import httpx
import pytest

from app.access.accounts.domain import Role
from app.dashboard.pages.content import rule_fields
from app.decisions.rules import words
from app.decisions.rules.domain import NEEDS, Rule
from tests.dashboard.site import Browser, Site
from tests.dashboard.test_documents import fields, published
from tests.dashboard.test_jobs import until

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def brand_of(admin: httpx.Client) -> str:
    return str(admin.get("/v1/admin/catalogue/facets").json()["brands"][0]["name"])


@pytest.fixture
def away(site: Site) -> "Callable[[str], None]":
    """Take a rule out of use, so that other tests see answers without it."""

    def end(name: str) -> None:
        with site.admin() as admin:
            admin.delete(f"/v1/admin/rules/{name}")

    return end


def test_a_rule_is_made_in_fields_tried_published_and_acts(site: Site, browser: Browser, away: Callable[[str], None]) -> None:
    with site.admin() as admin:
        brand = brand_of(admin)
        assert 'value="boost"' in browser.get("/rules/new")
        page = browser.get("/rules/new?name=only-one&action=include")
        assert 'name="where"' in page
        assert 'name="factor"' not in page
        form = {**fields(page), "action": "include", "where": f'item.brand = "{brand}"', "placements": "home-popular", "priority": "7"}
        tried = browser.post("/rules/only-one", **{**form, "act": "try", "people": "20"})
        assert 'id="tried"' in tried
        assert re.search(r"Tried on \d+ people and a stranger in 1 placement\.", tried)
        assert re.search(r'href="/catalogue/items/[^"]+"', tried)
        assert admin.get("/v1/admin/rules/only-one").status_code == 404
        assert "Version 1 is live" in browser.post("/rules/only-one", **{**form, "act": "publish"})
        stored = published(admin, "rules/only-one")["rule"]
        assert (stored["where"], stored["placements"], stored["priority"]) == (form["where"], ["home-popular"], 7)  # type: ignore[index]
    with site.shop() as shop:
        until(lambda: {one["brand"] for one in shop.get("/v1/recommendations?placement=home-popular").json()["items"]} == {brand})
    page = html.unescape(browser.get("/rules?q=only-one"))
    assert f"only items where the item's brand is “{brand}”" in page
    assert "home-popular" in page
    assert "only-one" not in browser.get("/rules?q=nothing-of-the-kind")
    user = site.kept.people[0].user_id
    assert '<a href="/rules/only-one">only-one</a> (include): ' in browser.get(f"/people/{user}?tab=now")
    away("only-one")


def test_each_action_shows_the_fields_that_it_takes_and_no_others(browser: Browser) -> None:
    for action, (needed, possible) in NEEDS.items():
        page = browser.get(f"/rules/new?name=some&action={action}")
        shown = set(re.findall(r'id="f-([a-z_]+)"', page)) - {"when", "priority", "group", "description"}
        assert shown == {*needed, *possible}, action


def test_the_fields_of_another_action_are_shown_without_any_script(browser: Browser) -> None:
    form = fields(browser.get("/rules/new?name=turned&action=exclude"))
    page = browser.post("/rules/turned", **{**form, "action": "pin", "act": "fields", "description": "mine"})
    assert 'name="place"' in page
    assert 'value="mine"' in page


def test_what_is_wrong_stands_at_its_field_and_conditions_are_said_in_words(site: Site, browser: Browser) -> None:
    form = fields(browser.get("/rules/new?name=wrong&action=boost"))
    said = {**form, "action": "boost", "where": "item.prise < 5", "factor": "0.5", "when": "orders.30d >= 3", "description": HOSTILE}
    for act in ("publish", "try"):
        page = html.unescape(browser.post("/rules/wrong", 422, **{**said, "act": act}))
        assert "item.price" in page  # the nearest name
        assert "a boost multiplies with more than 1" in page
        assert 'value="0.5"' in page
    assert html.escape(HOSTILE) in browser.post("/rules/wrong", 422, **{**said, "act": "try"})
    right = {**said, "where": "item.price < 5", "factor": "2", "act": "fields"}
    page = html.unescape(browser.post("/rules/wrong", **right))
    rule = Rule.model_validate({"action": "boost", "when": "orders.30d >= 3", "factor": 2})
    assert f"O{words.when(rule)[1:]}." in page
    assert words.when(rule) == "orders in the last 30 days is at least 3"
    with site.admin() as admin:
        assert admin.get("/v1/admin/rules/wrong").status_code == 404


def test_of_two_editors_the_second_is_told_and_keeps_what_they_wrote(site: Site, browser: Browser, away: Callable[[str], None]) -> None:
    body = {"action": "cap", "most": 9, "by": "brand", "placements": ["nowhere"]}
    with site.admin() as admin:
        assert admin.put("/v1/admin/rules/two-edit", json=body).status_code == 200
        mine = {**fields(browser.get("/rules/two-edit")), "action": "cap", "by": "brand"}
        assert admin.put("/v1/admin/rules/two-edit", json={**body, "most": 8}).status_code == 200
        page = browser.post("/rules/two-edit", 412, **{**mine, "most": "7", "act": "publish"})
        assert "Somebody published version 2 while you wrote" in page
        assert 'value="7"' in page
        assert published(admin, "rules/two-edit")["rule"]["most"] == 8  # type: ignore[index]
        browser.post("/rules/two-edit", **{**fields(page), "action": "cap", "by": "brand", "most": "7", "act": "publish"})
        assert published(admin, "rules/two-edit")["rule"]["most"] == 7  # type: ignore[index]
        browser.post("/rules/two-edit/versions/1")
        assert published(admin, "rules/two-edit")["rule"]["most"] == 9  # type: ignore[index]
        assert "two-edit is out of use" in browser.post("/rules/two-edit/delete")


def test_documents_and_conditions_as_documents_go_through_unchanged(site: Site, browser: Browser) -> None:
    assert "The document is no JSON" in browser.post("/rules/doc", 422, view="document", document="{", act="publish")
    where = {"fact": "item.brand", "is": "=", "value": "x"}
    body = {"action": "exclude", "where": where, "items": ["a", "b"], "placements": ["nowhere"], "starts_at": "2030-01-01T00:00:00Z"}
    with site.admin() as admin:
        assert "Kept as draft 1" in browser.post("/rules/doc", view="document", document=json.dumps(body), act="draft")
        page = browser.get("/rules/doc")
        texts = dict(re.findall(r'<textarea id="f-[a-z]+" name="([a-z]+)"[^>]*>(.*?)</textarea>', page, re.S))
        form = {**fields(page), **{name: html.unescape(text) for name, text in texts.items()}, "action": "exclude"}
        assert (form["items"], form["starts_at"], json.loads(form["where"])) == ("a\nb", "2030-01-01T00:00", where)
        assert "Kept as draft 2" in browser.post("/rules/doc", **{**form, "act": "draft"})
        first, second = admin.get("/v1/admin/rules/doc").json()["rules"]
        assert first["rule"] == second["rule"]


def test_a_viewer_looks_and_may_not_publish(site: Site) -> None:
    with site.admin() as admin:
        assert admin.put("/v1/admin/rules/looked-at", json={"action": "cap", "most": 50, "placements": ["nowhere"]}).status_code == 200
        page = site.browser(Role.VIEWER).get("/rules/looked-at")
        assert 'value="publish"' not in page
        assert "Your role may look, not publish." in page
        assert "New rule" not in site.browser(Role.VIEWER).get("/rules")
        admin.delete("/v1/admin/rules/looked-at")


def test_a_rule_is_said_in_words() -> None:
    def said(**body: object) -> str:
        return words.in_words(Rule.model_validate(body))

    assert said(action="boost", items=["a"], factor=2) == "2 times as likely: a"
    assert said(action="pin", items=["a", "b", "c", "d"], place=3) == "in place 3: a, b, c and 1 more"
    assert said(action="cap", most=2, by="brand") == "at most 2 of each brand: all items"
    assert said(action="share", at_least=0.5, items=["a"]) == "at least 50% of the places: a"
    assert said(action="no_repeat", days=7) == "not what was shown within 7 days: all items"
    assert said(action="recommender", recommender="popular", fallback=True) == "popular chooses where the own recommender knows too little"
    assert set(words.ACTIONS) == set(NEEDS) == set(words._SAID)


def test_numbers_are_read_as_people_write_them() -> None:
    assert [rule_fields.number(one) for one in ("1,5", " 2 ", "", "many", "1e999")] == [1.5, 2, None, "many", "1e999"]
