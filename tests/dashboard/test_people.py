"""People in the dashboard: found by any id, with what they got and why, what they would get, consent, merges, erasure."""

import html
import re
import time
from typing import Any

import httpx
import pytest

from app.access.accounts.domain import Role
from app.dashboard.api_client import part
from app.dashboard.pages.data.people import to_type
from tests.dashboard.site import Browser, Site

HOSTILE = "u/1 50%&é\n<img src=x onerror=alert(1)>"


def sent(site: Site, user: str, **more: Any) -> None:
    body = {"type": "track", "event": "Product Viewed", "userId": user, "properties": {"product_id": site.kept.items[0]}, **more}
    with site.shop() as shop:
        answer = shop.post("/v1/batch", json={"batch": [body]})
    assert answer.status_code == 200, answer.text


def waited(look: Any, seconds: float = 20) -> Any:
    """Return what a look gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def reads(admin: httpx.Client, name: str) -> list[str]:
    return [
        line["who"] for line in admin.get("/v1/admin/audit", params={"kind": "person", "q": name}).json()["lines"] if line["what"] == "read"
    ]


def test_the_list_shows_who_was_seen_last_and_finds_by_any_id(site: Site, browser: Browser) -> None:
    with site.admin() as admin:
        sent(site, "found-by-me", anonymousId="phone-9", context={"traits": {"email": "Me@Found.example"}})
        page = browser.get("/people")
        assert page.index("found-by-me") > 0
        assert admin.get("/v1/admin/people", params={"limit": 1}).json()["people"][0]["user_id"] == "found-by-me"
        for q in ("found-by-me", "phone-9", "found-b", " me@found.example"):
            assert 'href="/people/found-by-me"' in browser.get(f"/people?q={q}"), q
        part_ = browser.http.get("/people?q=found-by-me", headers={"X-Part": "1"}).text
        assert "<html" not in part_
        assert "found-by-me" in part_
        assert "Nobody has an id" in browser.get("/people?q=nobody-at-all")


def test_a_profile_tells_what_is_known_and_who_looked_is_told(site: Site) -> None:
    user = site.kept.people[0].user_id
    viewer = site.browser(Role.VIEWER)
    page = viewer.get(f"/people/{user}")
    assert "<h2>History</h2>" in page
    assert "Erase" not in page
    assert "consent</button>" not in page
    viewer.get(f"/people/{user}?tab=answers")
    viewer.post(f"/people/{user}/erase", 403, word=user)
    with site.admin() as admin:
        name = admin.get(f"/v1/admin/people/{user}").json()["audit_name"]
        assert user not in name
        assert reads(admin, name).count("viewer@shop.example") == 1


def test_every_answer_is_listed_with_its_rung_its_model_and_what_became_of_it(site: Site, browser: Browser) -> None:
    user = site.kept.people[1].user_id
    with site.admin() as admin, site.shop() as shop:
        asked = {"placement": "email-grid", "user_id": user, "send_id": "spring <1>"}
        first = shop.get("/v1/recommendations", params=asked).json()
        second = shop.get("/v1/recommendations", params={"placement": "email-hero", "user_id": user}).json()
        click = {"product_id": first["items"][0]["item_id"], "recommendation_id": first["recommendation_id"]}
        shop.post("/v1/batch", json={"batch": [{"type": "track", "event": "Product Clicked", "userId": user, "properties": click}]})
        path = f"/v1/admin/people/{user}/answers"
        waited(lambda: len(admin.get(path).json()["answers"]) >= 2)
        waited(lambda: any(one["became"] for one in admin.get(path).json()["answers"]))
        answers = admin.get(path).json()["answers"]
        mine = {one["recommendation_id"]: one for one in answers}
        got = mine[first["recommendation_id"]]
        assert (got["placement"], got["send_id"], got["rung"]) == ("email-grid", "spring <1>", first["source"])
        assert (got["reason"], got["recommender"], got["model_version"]) == (
            first["fallback_reason"],
            first["model"],
            first["model_version"],
        )
        assert [one["item_id"] for one in got["items"]] == [one["item_id"] for one in first["items"]]
        assert got["items"][0]["title"] == first["items"][0]["title"]
        assert [(one["what"], one["item_id"], one["machine"]) for one in got["became"]] == [("click", click["product_id"], False)]
        page = admin.get(path, params={"limit": 1}).json()
        rest = admin.get(path, params={"limit": 1, "before": page["next"]}).json()
        assert [one["answers"][0]["recommendation_id"] for one in (page, rest)] == [
            second["recommendation_id"], first["recommendation_id"]
        ]  # fmt: skip
        assert admin.get(path, params={"before": "x"}).status_code == 400
        assert admin.get("/v1/admin/people/nobody-here/answers").status_code == 404
    shown = browser.get(f"/people/{user}?tab=answers")
    assert "spring &lt;1&gt;" in shown
    assert html.escape(first["items"][0]["title"]) in shown or first["items"][0]["title"] in html.unescape(shown)
    assert ">click<" in shown


def test_now_shows_each_placement_side_by_side_with_why(site: Site, browser: Browser) -> None:
    user = site.kept.people[2].user_id
    page = browser.get(f"/people/{user}?tab=now")
    for placement in ("email-hero", "email-grid"):
        assert f'href="/placements/{placement}"' in page
    assert "history_length" in html.unescape(page)
    assert ">Now<" not in site.browser(Role.VIEWER).get(f"/people/{user}")


def test_consent_is_withdrawn_and_given_and_an_answer_follows(site: Site, browser: Browser) -> None:
    user = site.kept.people[3].user_id
    assert "Stored." in browser.post(f"/people/{user}/consent", wanted="no")
    with site.admin() as admin, site.shop() as shop:
        asked = {"placement": "email-grid", "user_id": user}
        assert waited(lambda: shop.get("/v1/recommendations", params=asked).json()["fallback_reason"] == "no_consent")
        assert "Give consent" in browser.get(f"/people/{user}")
        assert "Nothing was stored" in browser.post(f"/people/{user}/consent", wanted="yes", word="somebody")
        assert admin.get(f"/v1/admin/people/{user}").json()["personalisation"] is False
        assert "Stored." in browser.post(f"/people/{user}/consent", wanted="yes", word=user)
        assert admin.get(f"/v1/admin/people/{user}").json()["personalisation"] is True


def test_consent_by_purpose_is_shown_with_who_said_it_and_changed_with_a_line_in_the_audit_log(site: Site, browser: Browser) -> None:
    user = "says-things"
    sent(site, user, context={"gpc": True})
    page = browser.get(f"/people/{user}")
    assert "Tracked links and opens" in page
    assert page.count("the browser signals Global Privacy Control") == 2
    assert page.count(">Say no<") == 3
    assert "Stored." in browser.post(f"/people/{user}/consent", purpose="email", wanted="no")
    assert "Nothing was stored" in browser.post(f"/people/{user}/consent", purpose="sale", wanted="yes")
    assert "Stored." in browser.post(f"/people/{user}/consent", purpose="sale", wanted="yes", word=user)
    with site.admin() as admin:
        found = admin.get(f"/v1/admin/people/{user}").json()
        assert {name for name, one in found["purposes"].items() if not one["granted"]} == {"tracking", "email"}
        lines = admin.get("/v1/admin/audit", params={"kind": "person", "q": found["audit_name"]}).json()["lines"]
        assert [line["note"] for line in lines if line["what"] == "consent"] == ["sale given", "email withdrawn"]
    viewer = site.browser(Role.VIEWER)
    assert "Say no" not in viewer.get(f"/people/{user}")
    viewer.post(f"/people/{user}/consent", 403, purpose="email", wanted="no")


def test_traits_are_shown_with_source_and_moment_and_taken_away(site: Site, browser: Browser) -> None:
    user = "has-traits"
    with site.shop() as shop:
        traits = {"plan": HOSTILE, "vip": True, "tags": ["b", "a"], "born": "1990-02-03"}
        shop.post("/v1/identify", json={"userId": user, "traits": traits}).raise_for_status()
    page = html.unescape(browser.get(f"/people/{user}"))
    for text in ("identify", "moment", "1990-02-03", "a, b", "Take away"):
        assert text in page
    assert "<img src=x" not in browser.get(f"/people/{user}")
    assert "is taken away" in browser.post(f"/people/{user}/traits", name="plan")
    with site.admin() as admin:
        found = admin.get(f"/v1/admin/people/{user}").json()
        assert found["traits"] == {"born": "1990-02-03", "tags": ["a", "b"], "vip": True}
        lines = admin.get("/v1/admin/audit", params={"kind": "person", "q": found["audit_name"]}).json()["lines"]
        assert [line["note"] for line in lines if line["what"] == "traits"] == ["took away plan"]
    assert "Take away" not in site.browser(Role.VIEWER).get(f"/people/{user}")


def test_a_merge_is_taken_back_on_the_page(site: Site, browser: Browser) -> None:
    sent(site, "merged-one", anonymousId="merged-phone")
    page = browser.get("/people/merged-one?tab=merges")
    number = re.search(r"/merges/(\d+)/undo", page)
    assert number
    assert "is undone" in browser.post(f"/people/merged-one/merges/{number[1]}/undo", by="user_id")
    assert "one message bore both" in browser.get("/people/merged-phone?by=anonymous_id&tab=merges")


def test_a_person_is_erased_once_their_id_was_typed_and_the_audit_log_does_not_name_them(site: Site, browser: Browser) -> None:
    with site.admin() as admin:
        sent(site, "soon-gone-77")
        name = admin.get("/v1/admin/people/soon-gone-77").json()["audit_name"]
        assert "Nothing was erased" in browser.post("/people/soon-gone-77/erase", word="soon-gone")
        assert "Receipt" in browser.post("/people/soon-gone-77/erase", word="soon-gone-77")
        browser.get("/people/soon-gone-77", 404)
        lines = admin.get("/v1/admin/audit", params={"kind": "person"}).json()["lines"]
        assert ("erase", name) in [(line["what"], line["name"]) for line in lines]
        assert "soon-gone" not in str(lines)


@pytest.mark.parametrize("user", [HOSTILE, "u%2F2", "عميل", "w" * 250])
def test_any_id_is_reached_and_stands_as_text(site: Site, browser: Browser, user: str) -> None:
    sent(site, user)
    found = browser.http.get("/people", params={"q": user[:3]}).text
    assert "<img src=x" not in found
    assert f'href="/people/{part(user)}"' in html.unescape(found)
    for tab in ("", "?tab=answers", "?tab=now", "?tab=merges"):
        page = browser.get(f"/people/{part(user)}{tab}")
        assert html.unescape(re.search(r"<h1>(.*?)</h1>", page, re.S)[1]) == user  # type: ignore[index]
        assert "<img src=x" not in page
    assert "Receipt" in browser.post(f"/people/{part(user)}/erase", word=to_type(user))
