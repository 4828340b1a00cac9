"""Placements and templates in the dashboard: forms become documents, errors stand beside their field, two editors do not overwrite."""

import html
import json
import re

import httpx

from app.access.accounts.domain import Role
from app.dashboard.pages.content.templates import lines
from tests.dashboard.site import Browser, Site


def fields(page: str) -> dict[str, object]:
    """Return what a form of a page would send as it is."""
    found: dict[str, object] = {}
    for name, text in re.findall(r'<textarea name="([^"]+)"[^>]*>\n?(.*?)</textarea>', page, re.S):
        found[name] = html.unescape(text)
    for tag in re.findall(r"<input [^>]+>", page):
        one = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if "name" in one and one["name"] != "csrf" and ('type="checkbox"' not in tag or " checked" in tag):
            found.setdefault(one["name"], html.unescape(one.get("value", "on")))
    return found


def published(admin: httpx.Client, path: str) -> dict[str, object]:
    answer = admin.get(f"/v1/admin/{path}/published")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_new_placement_with_a_filter_is_made_and_answers(site: Site, browser: Browser) -> None:
    with site.admin() as admin:
        brand = admin.get("/v1/admin/catalogue/facets").json()["brands"][0]["name"]
        form = fields(browser.get("/placements/new?name=made-here"))
        page = browser.post(
            "/placements/made-here", **{**form, "count": "3", "brands": brand, "recommender": "", "template": "grid", "view": "form"}
        )
        assert "Version 1 is live" in page
        stored = published(admin, "placements/made-here")["placement"]
        assert (stored["count"], stored["filter"]["brands"], stored["recommender"]) == (3, [brand], "")  # type: ignore[index]
        asked = admin.post("/v1/admin/placements/made-here/preview", json={"format": "json"}).json()
        assert {item["brand"] for item in asked["items"]} == {brand}


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(browser: Browser) -> None:
    form = fields(browser.get("/placements/email-hero"))
    page = browser.post(
        "/placements/email-hero",
        422,
        **{**form, "count": "99", "price_min": "9", "price_max": "1", "template": "hero", "description": "<mine>"},
    )
    assert 'name="count" type="number" min="1" max="50" value="99" aria-invalid="true"' in page
    assert "&lt;mine&gt;" in page
    assert "<mine>" not in page


def test_a_condition_of_the_filter_is_said_in_words_and_what_is_wrong_with_it_stands_at_it(site: Site, browser: Browser) -> None:
    form = fields(browser.get("/placements/new?name=conditioned"))
    page = browser.post("/placements/conditioned", 422, **{**form, "where": "item.prize < 3", "template": "grid", "view": "form"})
    assert "there is no fact item.prize; did you mean item.price?" in html.unescape(page)
    assert "item.prize &lt; 3" in page
    browser.post("/placements/conditioned", **{**fields(page), "where": "item.price < 40", "template": "grid", "view": "form"})
    assert "The item&#39;s price is less than 40." in browser.get("/placements/conditioned")
    document = '{"fact": "item.price", "is": "<", "value": 30}'
    browser.post("/placements/conditioned", **{**fields(browser.get("/placements/conditioned")), "where": document, "template": "grid"})
    with site.admin() as admin:
        assert published(admin, "placements/conditioned")["placement"]["filter"]["where"] == json.loads(document)  # type: ignore[index]
        wanted = {**fields(browser.get("/placements/conditioned")), "user_id": ""}
        assert "this filter leaves" in browser.post("/placements/conditioned/notes", **wanted)


def test_segments_whose_popular_items_stand_in_are_chosen_in_their_order(site: Site, browser: Browser) -> None:
    with site.admin() as admin:
        for name in ("stand-a", "stand-b"):
            assert admin.put(f"/v1/admin/segments/{name}", json={"when": "views > 0"}).status_code == 200
        page = browser.get("/placements/new?name=stands-in")
        assert "<option>stand-a</option>" in page
        form = {**fields(page), "template": "grid", "view": "form"}
        page = browser.post("/placements/stands-in", 422, **{**form, "segments": ["stand-c", ""]})
        assert "there is no segment stand-c; did you mean stand-" in page
        browser.post("/placements/stands-in", **{**form, "segments": ["stand-b", " stand-a ", ""]})
        assert published(admin, "placements/stands-in")["placement"]["segments"] == ["stand-b", "stand-a"]  # type: ignore[index]
        assert 'name="segments" value="stand-b"' in browser.get("/placements/stands-in")


def test_of_two_editors_the_second_is_told_and_keeps_what_they_wrote(site: Site, browser: Browser) -> None:
    with site.admin() as admin:
        made = admin.put("/v1/admin/placements/shared", json={"count": 2})
        assert made.status_code == 200
        mine = fields(browser.get("/placements/shared"))
        assert admin.put("/v1/admin/placements/shared", json={"count": 4}).status_code == 200
        page = browser.post("/placements/shared", 412, **{**mine, "count": "7", "template": "grid"})
        assert "Somebody published version 2 while you wrote" in page
        assert 'max="50" value="7"' in page
        assert published(admin, "placements/shared")["placement"]["count"] == 4  # type: ignore[index]
        page = browser.post("/placements/shared", **{**fields(page), "template": "grid"})
        assert published(admin, "placements/shared")["placement"]["count"] == 7  # type: ignore[index]


def test_a_draft_waits_until_it_is_made_live_and_an_earlier_version_comes_back(site: Site, browser: Browser) -> None:
    with site.admin() as admin:
        admin.put("/v1/admin/placements/drafted", json={"count": 2})
        form = fields(browser.get("/placements/drafted"))
        page = browser.post("/placements/drafted", **{**form, "count": "5", "template": "grid", "act": "draft"})
        assert "Kept as draft 2" in page
        assert published(admin, "placements/drafted")["version"] == 1
        browser.post("/placements/drafted/versions/2")
        assert published(admin, "placements/drafted")["version"] == 2
        page = browser.get("/placements/drafted/versions?old=1&new=2")
        assert "&#34;count&#34;: 5" in page
        browser.post("/placements/drafted/versions/1")
        assert published(admin, "placements/drafted")["version"] == 1
        browser.post("/placements/drafted/delete")
        assert admin.get("/v1/admin/placements/drafted/published").status_code == 404


def test_parts_are_fields_of_the_form_and_what_is_wrong_stands_beside_its_own(site: Site, browser: Browser) -> None:
    form = {**fields(browser.get("/placements/new?name=in-parts")), "template": "grid", "recommender": "popular", "view": "form"}
    first = {
        "part-0-name": "because", "part-0-seed": "last_bought", "part-0-heading": "Since you bought {{ item.titel }}",
        "part-0-default": "Popular", "part-0-limit": "3", "part-0-recommender": "-",
    }  # fmt: skip
    page = browser.post("/placements/in-parts", 422, **{**form, **first})
    assert "did you mean item.title?" in page
    assert (
        'name="part-0-heading" value="Since you bought {{ item.titel }}" maxlength="200" aria-describedby="part-0-help" aria-invalid'
        in page
    )
    second = {"part-1-name": "shelves", "part-1-shows": "categories", "part-1-default": "Categories", "part-1-limit": "2"}
    good = {**first, "part-0-heading": "Since you bought {{ item.title }}", **second}
    assert "Version 1 is live" in browser.post("/placements/in-parts", **{**form, **good})
    with site.admin() as admin:
        parts = published(admin, "placements/in-parts")["placement"]["parts"]  # type: ignore[index]
        assert [(one["name"], one["limit"], one["recommender"]) for one in parts] == [("because", 3, None), ("shelves", 2, None)]
        person = site.kept.people[0].user_id
        asked = admin.post("/v1/admin/placements/in-parts/preview", json={"format": "json", "user_id": person}).json()
        assert [one["name"] for one in asked["parts"]] == ["because", "shelves"]
        shown = {**fields(browser.get("/placements/in-parts")), "template": "grid", "recommender": "popular"}
        assert shown["part-1-name"] == "shelves"
        browser.post("/placements/in-parts", **{**shown, "part-0-name": ""})
        assert [one["name"] for one in published(admin, "placements/in-parts")["placement"]["parts"]] == ["shelves"]  # type: ignore[index]


def test_the_document_can_be_written_as_it_is(site: Site, browser: Browser) -> None:
    document = json.dumps({"count": 2, "deadline_ms": 100})
    browser.post("/placements/as-document", view="document", document=document)
    with site.admin() as admin:
        assert published(admin, "placements/as-document")["placement"]["deadline_ms"] == 100  # type: ignore[index]
    page = browser.post("/placements/as-document", 422, view="document", document="{count: 2")
    assert "no JSON" in page
    assert "{count: 2" in page


def test_a_template_is_published_and_its_mistakes_stand_on_their_line(site: Site, browser: Browser) -> None:
    form = fields(browser.get("/templates/new?name=ours"))
    assert "Version 1 is live" in browser.post("/templates/ours", **form)
    broken = {**form, "html.card": "<p>\n{{ item.title }}\n{% if %}x{% endif %}\n</p>"}
    page = browser.post("/templates/ours", 422, **broken)
    assert "Line 3" in page
    assert 'data-bad="3"' in page
    with site.admin() as admin:
        assert published(admin, "templates/ours")["version"] == 1


def test_the_line_is_read_from_what_the_engine_says() -> None:
    told = [
        {"field": "html", "message": "html: missing expression\n  -> '{% for %}' 12:3\n"},
        {"field": "", "message": "it takes too long"},
    ]
    assert [one["line"] for one in lines(told)] == [12, None]


def test_previews_show_what_is_being_edited_and_run_nothing(site: Site, browser: Browser) -> None:
    form = {**fields(browser.get("/placements/email-grid")), "count": "2", "template": "grid", "user_id": site.kept.people[0].user_id}
    token = re.search(r'name="csrf" content="([0-9a-f]+)"', browser.get("/account"))
    assert token
    answer = browser.http.post("/placements/email-grid/preview", data={**form, "csrf": token[1]})
    assert answer.text.count("<img") == 2
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox;")
    assert "script-src 'none'" in policy
    notes = browser.http.post("/placements/email-grid/notes", data={**form, "csrf": token[1], "count": "0"}).json()
    assert notes["shown"] is False


def test_who_may_only_look_cannot_publish(site: Site) -> None:
    viewer = site.browser(Role.VIEWER)
    assert "Publish</button>" not in viewer.get("/placements/email-hero")
    viewer.post("/placements/email-hero", 403, document="{}", view="document")
