"""Segments and facts in the dashboard: built from rows or text, published, looked at; their people, lists, versions; the dictionary."""

import html
import json
import re
from typing import Any

import httpx
import pytest

from app.access.accounts.domain import Role
from app.dashboard.pages.data.people import grouped
from tests.dashboard.site import Browser, Site
from tests.dashboard.test_people import sent, waited

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def published(site: Site, name: str, when: Any, **more: Any) -> None:
    with site.admin() as admin:
        answer = admin.put(f"/v1/admin/segments/{name}", json={"when": when, **more})
        assert answer.status_code == 200, answer.text


def segment(site: Site, name: str) -> dict[str, Any]:
    with site.admin() as admin:
        found: dict[str, Any] = admin.get(f"/v1/admin/segments/{name}").json()
    return found


def members(site: Site, name: str) -> list[str]:
    with site.admin() as admin:
        return sorted(one["value"] for one in admin.get(f"/v1/admin/segments/{name}/members").json()["members"])


def estimated(browser: Browser, **asked: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(browser.post("/segments/any/estimate", **asked))
    return found


def test_a_segment_is_published_as_text_without_scripts_and_its_people_lead_to_their_pages(site: Site, browser: Browser) -> None:
    user = "seg/of one?"
    page = browser.get("/segments/new?name=text-seg")
    assert 'name="when"' in page
    assert '<option value="orders"' not in page.split("data-facts")[0]
    assert "Views of" not in page
    sent(site, user)
    waited(lambda: estimated(browser, when="views > 0 and not (orders > 0)").get("size"))
    done = browser.post("/segments/text-seg", when="views > 0\r\nand not (orders > 0)", description="Lookers", base="0", act="publish")
    assert "Version 1 is live. Views is more than 0 and it is not so that orders is more than 0." in done
    assert "<h2>What it says</h2>" in done
    waited(lambda: user in members(site, "text-seg"))
    people = browser.get("/segments/text-seg/people")
    assert 'href="/people/seg%2Fof%20one%3F"' in people
    assert "text-seg" in browser.get("/people/seg%2Fof%20one%3F")
    assert 'href="/people/seg%2Fof%20one%3F"' in browser.get("/segments/text-seg/moves")
    file = browser.http.get("/segments/text-seg/people.csv")
    assert file.headers["content-disposition"] == 'attachment; filename="text-seg.csv"'
    assert any(line.startswith(f"user_id,{user},") for line in file.text.splitlines())


def test_rows_and_text_say_the_same_to_the_server(site: Site, browser: Browser) -> None:
    either = [{"fact": "orders.90d", "is": ">=", "value": 2}, {"holds": "consent.sale"}]
    document = {"all": [{"fact": "views", "is": ">", "value": 0}, {"not": {"any": either}}]}
    rows = estimated(browser, document=json.dumps(document))
    assert rows["when"] == "views > 0 and not (orders.90d >= 2 or consent.sale)"
    text = estimated(browser, when=rows["when"])
    assert (text["sentence"], text["size"], text["told"]) == (rows["sentence"], rows["size"], rows["told"])
    assert re.fullmatch(r"[\d,]+ of [\d,]+ people \([\d.]+ %\)", text["told"])
    again = estimated(browser, document=json.dumps(text["document"]))
    assert again["when"] == rows["when"]


@pytest.mark.parametrize(
    ("asked", "place", "character", "words"),
    [
        ({"when": "views > 0 and oders > 2"}, "", 15, "did you mean orders?"),
        ({"document": json.dumps({"all": [{"fact": "views", "is": ">", "value": 1}, {"fact": "oders", "is": ">", "value": 1}]})},
         "all.1.fact", None, "did you mean orders?"),
        ({"document": json.dumps({"all": [{"not": {"any": [{"fact": "views", "is": "?", "value": 1}]}}]})},
         "all.0.not.any.0.is", None, "none of"),
        ({"document": "{"}, "", None, "cannot be read"),
        ({"when": "now.hour > 3"}, "", None, "of the moment"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_place(
    browser: Browser, asked: dict[str, str], place: str, character: int | None, words: str
) -> None:  # fmt: skip
    (problem,) = estimated(browser, **asked)["problems"]
    assert (problem["place"], problem["character"]) == (place, character)
    assert words in problem["message"]


def test_rows_ahead_of_their_text_are_what_is_published(site: Site, browser: Browser) -> None:
    document = {"any": [{"fact": "orders", "is": ">=", "value": 2}, {"holds": "segment.nobody"}]}
    refused = browser.post("/segments/ahead", 422, when="views > 7", document=json.dumps(document), act="publish")
    # what was written is still there, rows as well as text
    assert "there is no segment nobody" in html.unescape(refused)
    assert "views &gt; 7" in refused
    assert '"segment.nobody"' in html.unescape(refused)
    document["any"].pop()
    browser.post("/segments/ahead", when="views > 7", document=json.dumps(document), act="publish")
    assert segment(site, "ahead")["when"] == "orders >= 2"
    empty = browser.post("/segments/ahead-empty", 422, when="  ", act="publish")
    assert "Write a condition first" in empty


def test_two_editors_do_not_overwrite_each_other(site: Site, browser: Browser) -> None:
    browser.post("/segments/two-editors", when="views > 1", act="publish")
    published(site, "two-editors", "views > 2")
    page = browser.post("/segments/two-editors", 412, when="views > 3", base="1", act="publish")
    assert "Somebody published version 2 while you wrote" in page
    assert "views &gt; 3" in page
    assert 'name="base" value="2"' in page
    assert segment(site, "two-editors")["when"] == "views > 2"


def test_drafts_versions_roll_back_and_deletion_are_those_of_all_documents(site: Site, browser: Browser) -> None:
    browser.post("/segments/kept", when="views > 1", act="publish")
    browser.post("/segments/kept", when="views > 9", base="1", act="draft")
    assert segment(site, "kept")["when"] == "views > 1"
    page = browser.get("/segments/kept/versions?new=2")
    assert ">Overview</a>" in page
    assert "views &gt; 9" in page
    browser.post("/segments/kept/versions/2")
    assert segment(site, "kept")["when"] == "views > 9"
    published(site, "asks-for-kept", "segment.kept")
    assert "asks-for-kept" in browser.post("/segments/kept/delete")
    with site.admin() as admin:
        assert admin.delete("/v1/admin/segments/asks-for-kept").status_code == 204
    assert "kept is out of use" in browser.post("/segments/kept/delete")
    assert 'href="/segments/kept"' not in browser.get("/segments")
    assert "not published" in browser.get("/segments/kept")


def test_a_draft_is_tried_on_people_of_the_last_hour_before_it_is_published(site: Site, browser: Browser) -> None:
    user = "tried/first?"
    published(site, "tried-seg", "views > 0")
    sent(site, user)
    waited(lambda: user in members(site, "tried-seg"))
    form = {"when": "views > 1000", "description": "Tried", "base": "1", "act": "try"}
    page = browser.post("/segments/tried-seg", **form)
    assert re.search(r"with events in the last hour 0 would be in it: 0 would enter and [\d,]+ leave\.", page)
    assert "views &gt; 1000" in page
    assert 'value="Tried"' in page
    leaving = page.split('aria-label="Would leave"')[1]
    assert 'href="/people/' in leaving
    assert "Nobody of them would enter." in page
    assert segment(site, "tried-seg")["when"] == "views > 0"
    rows = browser.post("/segments/tried-seg", **{**form, "document": json.dumps({"fact": "views", "is": ">", "value": 0})})
    assert "nobody would enter or leave" in rows
    wrong = browser.post("/segments/tried-seg", 422, **{**form, "when": "vews > 1"})
    assert "did you mean views?" in html.unescape(wrong)
    assert 'id="tried"' not in wrong
    marketer = site.browser(Role.MARKETER).post("/segments/tried-seg", **form)
    assert "would enter and" in marketer
    assert "Would leave" in marketer
    assert 'href="/people/' not in marketer
    site.browser(Role.VIEWER).post("/segments/tried-seg", 403, **form)
    assert 'value="try"' not in site.browser(Role.VIEWER).get("/segments/tried-seg/edit")


def test_a_list_takes_pasted_ids_or_a_file_and_tells_whom_nobody_knows(site: Site, browser: Browser) -> None:
    first, second = site.kept.people[0].user_id, site.kept.people[1].user_id
    assert 'name="when"' not in browser.get("/segments/new?name=vips&of=list")
    browser.post("/segments/vips", of="list", description="Invited", act="publish")
    assert segment(site, "vips")["document"] is None
    page = browser.post("/segments/vips/list", ids=f"{first}\n{HOSTILE}\n", kind="user_id")
    assert "1 people are on it now" in page
    assert html.escape(HOSTILE) in page
    waited(lambda: members(site, "vips") == [first])
    browser.post("/segments/vips/list", files={"file": ("vips.csv", f"user_id\n{second}\n".encode())}, ids="", kind="user_id")
    waited(lambda: members(site, "vips") == [second])
    assert "The list is empty" in browser.post("/segments/vips/list", 400, ids=" ", kind="user_id")
    assert members(site, "vips") == [second]


def test_the_list_of_segments_is_searched_by_name_and_by_what_it_says(site: Site, browser: Browser) -> None:
    published(site, "searched", "cart_adds.7d > 123", description=HOSTILE)
    assert 'href="/segments/searched"' in browser.get("/segments?q=Cart adds in the last 7 days is more than 123")
    found = browser.http.get("/segments?q=123", headers={"X-Part": "1"}).text
    assert "<html" not in found
    assert html.escape(HOSTILE) in found
    assert "being counted" in found or "nobody is in it" in found
    assert "No segment has this" in browser.get("/segments?q=zzzz")


def test_a_segment_shows_overlap_and_who_may_not_read_profiles_sees_figures_only(site: Site, browser: Browser) -> None:
    sent(site, "overlapping")
    published(site, "over-a", "views > 0")
    published(site, "over-b", "views.24h > 0")
    # other segments of the shop may overlap before the second one is filled
    waited(lambda: segment(site, "over-a")["ready"] and "over-b" in str(segment(site, "over-a")["overlap"]))
    page = browser.get("/segments/over-a")
    assert 'href="/segments/over-b"' in page
    assert "Also in" in page
    marketer, viewer = site.browser(Role.MARKETER), site.browser(Role.VIEWER)
    assert "Your role may see how many" in marketer.get("/segments/over-a/people")
    assert "overlapping" not in marketer.get("/segments/over-a/people")
    assert "overlapping" not in marketer.get("/segments/over-a/moves")
    assert "people.csv" not in marketer.get("/segments/over-a")
    marketer.get("/segments/over-a/people.csv", 403)
    marketer.post("/segments/by-marketer", when="views > 2", act="publish")
    assert "New segment" not in viewer.get("/segments")
    assert "Publish</button>" not in viewer.get("/segments/over-a/edit")
    assert "Take out of use" not in viewer.get("/segments/over-a").split("<dialog")[0]
    viewer.post("/segments/over-a", 403, when="views > 9", base="1")
    viewer.get("/segments/never-made", 404)
    viewer.get("/segments/%3Cimg%20src=x%3E", 404)


def test_the_dictionary_says_what_facts_there_are_and_how_they_are_spread(site: Site, browser: Browser) -> None:
    page = browser.get("/facts?q=spent")
    assert 'href="/facts/rfm.monetary"' in page
    assert 'href="/facts/now.hour"' not in page
    views = browser.get("/facts/views?window=30d")
    assert "How many people have which value" in views
    assert "built-in method" not in views
    with site.admin() as admin:
        answer = admin.patch(f"/v1/admin/people/{site.kept.people[3].user_id}/traits", json={"home_town": HOSTILE})
        assert answer.status_code == 200, answer.text
        waited(lambda: admin.get("/v1/admin/facts/trait", params={"key": "home_town"}).json()["known"])
    # one person's town is nobody else's business
    town = browser.get("/facts/trait?key=home_town")
    assert "1 person has another one" in town
    assert HOSTILE not in html.unescape(town)
    assert "has no window 8d" in browser.get("/facts/views?window=8d", 422)
    assert "read at the moment of a request" in browser.get("/facts/now.hour")
    assert html.escape(HOSTILE) in browser.get(f"/facts/trait?key={httpx.QueryParams({'key': HOSTILE})['key']}")
    browser.get("/facts/nothing", 404)


def test_facts_of_a_person_are_told_in_words_by_group() -> None:
    found = grouped({"spent": 12.5, 'views.category["A > B"].24h': 3.0, "days_since.open": 2.25, "lifecycle": "lead"})
    assert found == [
        ("Customer", [("money spent", "spent", "12.50"), ("the stage of life", "lifecycle", "lead")]),
        ("How long ago", [("days since the last open", "days_since.open", "2.25")]),
        ("How often", [("views of A > B in the last 24 hours", 'views.category["A > B"].24h', "3")]),
    ]
