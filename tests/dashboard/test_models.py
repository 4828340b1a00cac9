"""Models in the dashboard: what is live, one beside another, what a person gets from two, promote and roll back with their lines."""

from collections.abc import Iterator

import httpx
import pytest

from app.access.accounts.domain import Role
from tests.dashboard.site import Browser, Site


@pytest.fixture(scope="module")
def admin(site: Site) -> Iterator[httpx.Client]:
    """A client of the admin API."""
    with site.admin() as http:
        yield http


def live(admin: httpx.Client, recommender: str = "personal") -> str:
    found = admin.get(f"/v1/admin/models/{recommender}").json()["live"]
    return str(found[0]["version"])


def test_the_list_shows_what_is_live_and_what_waits(browser: Browser, admin: httpx.Client, newer: str) -> None:
    page = browser.get("/models")
    assert live(admin) in page
    assert "1 newer" in page
    runs = browser.get("/models/personal")
    assert "newer, waiting" in runs
    assert runs.index(newer) < runs.rindex(live(admin))
    assert "nDCG@10 with repeats" in runs


def test_a_model_stands_beside_the_live_one_with_its_differences(browser: Browser, admin: httpx.Client, newer: str) -> None:
    page = browser.get(f"/models/personal/{newer}")
    assert "+0.100" in page
    assert "penalty" in page
    assert "the live" in page
    details = admin.get(f"/v1/admin/models/personal/{newer}").json()
    assert details["verdict"].startswith("personal: nDCG@10")
    path = f"/v1/admin/models/personal/{live(admin)}/compare"
    told = admin.get(path, params={"with": f"personal/{newer}"}).json()
    assert told["metrics"]["all"]["ndcg@10"][2] == pytest.approx(0.1)
    assert admin.get(path, params={"with": "personal"}).status_code == 422
    assert admin.get(path, params={"with": "personal/nothing"}).status_code == 404


def test_a_blend_says_what_was_chosen_for_the_shop(browser: Browser, admin: httpx.Client) -> None:
    version = live(admin)
    members = admin.get(f"/v1/admin/models/personal/{version}").json()["parameters"]["learned"]["members"]
    page = browser.get(f"/models/personal/{version}")
    chosen = page.split("What was chosen for this shop", 1)[1].split("</section>")[0]
    assert members
    assert [name in chosen for name in members] == [True] * len(members)
    assert f"{members['Ease']['weight']:g}" in chosen
    other = live(admin, "item_to_item")
    assert "What was chosen" not in browser.get(f"/models/item_to_item/{other}")


def test_what_a_person_gets_from_two_is_shown_and_nothing_changes(site: Site, browser: Browser, admin: httpx.Client, newer: str) -> None:
    first, person = live(admin), site.kept.people[0].user_id
    body = {"a": f"personal/{first}", "b": f"personal/{newer}", "user_id": person, "limit": 5}
    lists = admin.post("/v1/admin/models/compare-lists", json=body)
    assert lists.status_code == 200, lists.text
    told = lists.json()
    assert (told["a"]["version"], told["b"]["version"]) == (first, newer)
    assert told["b"]["source"] == "live"
    assert len(told["a"]["items"]) == len(told["b"]["items"]) == 5
    # the same graphs under another version: the same list, scored by the one that is not live
    assert [one["item_id"] for one in told["a"]["items"]] == [one["item_id"] for one in told["b"]["items"]] == told["shared"]
    assert live(admin) == first
    page = browser.get(f"/models/compare?a=personal/{first}&b=personal/{newer}&user_id={person}")
    assert "12 of 12 items are in both lists" in page
    assert "<img src=x" not in browser.get("/models/compare?a=personal/x&b=<img src=x>&user_id=<img src=x>", 422)
    assert admin.post("/v1/admin/models/compare-lists", json={**body, "b": "personal/nothing"}).status_code == 404
    assert admin.post("/v1/admin/models/compare-lists", json={**body, "placement": "nothing"}).status_code == 404


def test_comparing_leaves_no_list_of_a_model_that_is_not_live(site: Site, admin: httpx.Client, newer: str) -> None:
    person = site.kept.people[1].user_id
    before = admin.post("/v1/admin/placements/email-grid/preview", json={"user_id": person, "format": "json"}).json()
    admin.post("/v1/admin/models/compare-lists", json={"a": f"personal/{newer}", "b": f"personal/{newer}", "user_id": person})
    after = admin.post("/v1/admin/placements/email-grid/preview", json={"user_id": person, "format": "json"}).json()
    assert after["source"] == "cached", (before["source"], after["source"])
    assert after["model_version"] == live(admin)


def test_promoting_and_rolling_back_reach_answers_and_the_audit_log(site: Site, browser: Browser, admin: httpx.Client, newer: str) -> None:
    first = live(admin)
    page = browser.post(f"/models/personal/{newer}/promote")
    assert f"{newer} is live" in page
    assert live(admin) == newer
    assert "Roll back" in browser.get("/models/personal")
    assert f"{first} is live again" in browser.post("/models/personal/rollback")
    assert live(admin) == first
    assert "no earlier model" in browser.post("/models/personal/rollback")
    lines = admin.get("/v1/admin/audit", params={"kind": "model", "q": "personal"}).json()["lines"]
    assert [(one["what"], one["who"]) for one in lines[:2]] == [("roll back", "admin@shop.example"), ("promote", "admin@shop.example")]
    assert newer in lines[1]["note"]


def test_who_may_only_look_cannot_promote(site: Site, admin: httpx.Client, newer: str) -> None:
    viewer = site.browser(Role.VIEWER)
    assert "Make it live" not in viewer.get(f"/models/personal/{newer}").split("<dialog")[0]
    before = live(admin)
    viewer.post(f"/models/personal/{newer}/promote")
    assert live(admin) == before


def test_a_model_that_does_not_exist_is_told(browser: Browser) -> None:
    assert "has no version nothing" in browser.get("/models/personal/nothing", 404)
    assert "has no model" in browser.get("/models/nothing", 404)
