"""Jobs from the sign-in to their effect in a served answer, in a real browser, with the mouse and with the keyboard alone."""

import json
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import sync_playwright

from tests.browser import launched
from tests.conftest import needs
from tests.dashboard.hands import Hands
from tests.dashboard.site import Site

pytestmark = [pytest.mark.system, needs("chromium")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for the file."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture(params=["mouse", "keys"])
def hands(chromium: Chromium, site: Site, request: pytest.FixtureRequest) -> Iterator[Hands]:
    """Somebody who just signed in."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(site.login)
    yield Hands(page, request.param)
    context.close()


def asked(site: Site, placement: str, path: str = "/v1/recommendations", key: str = "", **more: str) -> httpx.Response:
    """Return a served answer."""
    headers = {"X-Api-Key": key or site.kept.credentials["api_key"]}
    if path != "/v1/recommendations":
        return httpx.get(f"{site.api}{path}/{placement}", headers=headers)
    return httpx.get(f"{site.api}{path}", params={"placement": placement, **more}, headers=headers)


def until(what: Callable[[], bool]) -> None:
    """Wait until something shows in answers."""
    end = time.monotonic() + 15
    while not what():
        assert time.monotonic() < end, "it did not show in answers"
        time.sleep(0.1)


def find(hands: Hands, user: str) -> None:
    """Open somebody's page by their id."""
    hands.press("nav a[href='/people']")
    hands.write("input[name=q]", user)
    hands.press(f"#found a[href='/people/{user}']")
    hands.page.wait_for_selector(f"h1:text-is('{user}')")


def word(hands: Hands) -> str:
    """Return a name of this job's own."""
    return f"job-{hands._how}"


def test_a_placement_is_published_and_answers(hands: Hands, site: Site) -> None:
    name = word(hands)
    hands.press("nav a[href='/placements']")
    hands.press("a[href='/placements/new']")
    hands.write("#name", name)
    hands.press("main form button")
    hands.write("#description", "Three that are popular")
    hands.choose("#recommender", "")
    hands.write("#count", "3")
    hands.press("button[value=publish]")
    hands.page.wait_for_selector("text=Version 1 is live")
    until(lambda: asked(site, name).json()["item_count"] == 3 and asked(site, name).json()["placement"] == name)


def test_a_template_is_published_and_shows_in_a_placement(hands: Hands, site: Site) -> None:
    name = f"{word(hands)}-look"
    hands.press("nav a[href='/templates']")
    hands.press("a[href='/templates/new']")
    hands.write("#name", name)
    hands.press("main form button")
    hands.write("textarea[name='html.card']", "<b>Look {{ item.title }}</b>")
    hands.press("button[value=publish]")
    hands.page.wait_for_selector("text=Version 1 is live")
    hands.press("nav a[href='/placements']")
    hands.press("a[href='/placements/new']")
    hands.write("#name", name)
    hands.press("main form button")
    hands.choose("#template", name)
    hands.press("button[value=publish]")
    hands.page.wait_for_selector("text=Version 1 is live")
    until(lambda: "<b>Look " in asked(site, name, "/v1/snippets").text)


def test_a_key_is_rotated_and_the_old_one_is_refused(hands: Hands, site: Site) -> None:
    with site.admin() as admin:
        made = admin.post("/v1/admin/clients", json={"name": f"rotated by {word(hands)}", "scopes": ["recommend"]}).json()
        old = admin.post(f"/v1/admin/clients/{made['client_id']}/keys", json={}).json()
    until(lambda: asked(site, "email-grid", key=old["key"]).status_code == 200)
    hands.press("nav a[href='/access']")
    hands.press(f"a[href='/access/clients/{made['client_id']}']")
    hands.press("main form.form button")
    secret = hands.page.text_content("#secret")
    assert secret
    assert re.fullmatch(r"mk_api_\S{43}", secret)
    until(lambda: asked(site, "email-grid", key=secret).status_code == 200)
    hands.press("main a.btn.primary")
    hands.press(f"button[data-dialog='key{old['key_no']}']")
    hands.press(f"#key{old['key_no']} button[type=submit]")
    hands.page.wait_for_selector("text=The key is refused from now on")
    until(lambda: asked(site, "email-grid", key=old["key"]).status_code == 401)


def test_why_somebody_got_an_item_is_found_out(hands: Hands, site: Site) -> None:
    user = site.kept.people[4].user_id
    served = asked(site, "email-grid", user_id=user).json()
    with site.admin() as admin:
        path = f"/v1/admin/people/{user}/answers"
        until(lambda: served["recommendation_id"] in admin.get(path).text)
        known = len(admin.get(f"/v1/admin/people/{user}").json()["history"])
    find(hands, user)
    hands.press("nav.tabs a[href$='tab=answers']")
    answer = f"section[aria-label='Answer {served['recommendation_id']}']"
    assert f"personal {served['model_version']} chose." in hands.page.inner_text(answer)
    assert hands.page.locator(f"{answer} li a").all_inner_texts() == [one["title"] for one in served["items"]]
    hands.press("nav.tabs a[href$='tab=now']")
    hands.press("section[aria-label='email-grid'] summary")
    now = hands.page.locator("section[aria-label='email-grid']")
    assert f"personal {served['model_version']} chooses." in now.inner_text()
    assert [text.split(" · ")[1] for text in now.locator("li span").all_inner_texts()] == [
        one["reason"].replace("_", " ") for one in served["items"]
    ]
    why = json.loads(now.locator("pre").inner_text())
    assert why["person"] == "known"
    assert len(why["history"]) == known > 0


def test_a_file_with_odd_columns_is_imported_and_its_items_show(hands: Hands, site: Site) -> None:
    name = word(hands)
    rows = [f"{name}-{number};A {name} thing;12,5{number} EUR;{name}" for number in (1, 2)]
    hands.press("nav a[href='/catalogue']")
    hands.press("a[href='/catalogue/import']")
    hands.hand_in("input[type=file]", f"{name}.csv", "\n".join(["qq;ww;ee;rr", *rows]).encode())
    hands.press("main form button")
    for column, field in {"qq": "id", "ww": "title", "ee": "price", "rr": "brand"}.items():
        hands.choose(f"select[aria-label='What {column} is']", field)
    hands.press("button[value=preview]")
    hands.page.wait_for_selector("text=All of the first 2 rows would land")
    hands.press("button[value=run]")
    hands.page.wait_for_selector("text=Done: it shows in answers")
    with site.admin() as admin:
        # of the brand that the column rr was said to be
        published = admin.put(f"/v1/admin/placements/{name}-odd", json={"count": 2, "filter": {"brands": [name]}})
        assert published.status_code == 200, published.text
    until(
        lambda: (
            {(one["item_id"], one["price"]) for one in asked(site, f"{name}-odd").json()["items"]}
            == {(f"{name}-1", 12.51), (f"{name}-2", 12.52)}
        )
    )


def test_a_refused_event_is_mended_and_shows_in_the_profile(hands: Hands, site: Site) -> None:
    user, item = f"{word(hands)}-mended", site.kept.items[2]
    event = {"type": "track", "event": "Product Viewed", "userId": user, "timestamp": "never", "properties": {"product_id": item}}
    with site.shop() as shop:
        shop.post("/v1/batch", json={"batch": [event]})
    with site.admin() as admin:
        refused = admin.get("/v1/admin/refused-events").json()["refused"][0]["refused_no"]
    hands.press("nav a[href='/events']")
    hands.press("nav.tabs a[href='/events/refused']")
    hands.press(f"a[href='/events/refused/{refused}']")
    sent = json.loads(hands.page.input_value("textarea[name=message]"))
    hands.write("textarea[name=message]", json.dumps({name: value for name, value in sent.items() if name != "timestamp"}))
    hands.press("button[value=replay]")
    hands.page.wait_for_selector("text=1 replayed, 1 events stored")
    with site.admin() as admin:
        until(lambda: admin.get(f"/v1/admin/people/{user}").json()["history"] != [])
    find(hands, user)
    history = hands.page.locator("table[data-table=history] tbody tr")
    assert history.count() == 1
    assert f"{item}\tview\t1\t" in history.inner_text()


def test_a_model_is_promoted_and_rolled_back_and_answers_follow(hands: Hands, site: Site, newer: str) -> None:
    user = site.kept.people[5].user_id

    def chosen_by() -> str:
        return str(asked(site, "email-grid", user_id=user).json()["model_version"])

    first = chosen_by()
    assert first != newer
    hands.press("nav a[href='/models']")
    hands.press("a[href='/models/personal']")
    hands.press(f"a[href='/models/personal/{newer}']")
    hands.press("button[data-dialog=promote]")
    hands.press("#promote button[type=submit]")
    until(lambda: chosen_by() == newer)
    hands.press("button[data-dialog=rollback]")
    hands.press("#rollback button[type=submit]")
    until(lambda: chosen_by() == first)


def test_a_person_is_erased_and_answered_like_a_stranger(hands: Hands, site: Site) -> None:
    user = f"{word(hands)}-gone"
    with site.shop() as shop:
        view = {"type": "track", "event": "Product Viewed", "userId": user}
        views = [{**view, "properties": {"product_id": item}} for item in site.kept.items[:5]]
        assert shop.post("/v1/batch", json={"batch": views}).status_code == 200
    until(lambda: asked(site, "email-grid", user_id=user).json()["model"] == "personal")
    find(hands, user)
    hands.press("button[data-dialog=erase]")
    hands.write("#erase-word", user)
    hands.press("#erase button[type=submit]")
    hands.page.wait_for_selector("text=Receipt")
    with site.admin() as admin:
        assert admin.get(f"/v1/admin/people/{user}").status_code == 404

    def got(who: str) -> tuple[str, str, list[str]]:
        answer = asked(site, "email-grid", user_id=who).json()
        return answer["fallback_reason"], answer["model"], [one["item_id"] for one in answer["items"]]

    until(lambda: got(user) == got("nobody-ever"))
    assert got(user)[:2] == ("unknown_user", "")


def test_a_segment_is_built_from_rows_and_its_people_appear(hands: Hands, site: Site) -> None:
    name, user = f"{word(hands)}-built", f"{word(hands)}-in-it"
    view = {"type": "track", "event": "Product Viewed", "userId": user, "properties": {"product_id": site.kept.items[1]}}
    with site.shop() as shop:
        assert shop.post("/v1/batch", json={"batch": [view] * 4}).status_code == 200
    with site.admin() as admin:
        until(lambda: admin.get(f"/v1/admin/people/{user}").json().get("facts", {}).get("views") == 4)
        admin.patch(f"/v1/admin/people/{user}/traits", json={"city": f"Town of {name}"})
    hands.press("nav a[href='/segments']")
    hands.press("a[href='/segments/new']")
    hands.write("#name", name)
    hands.press("main form button")
    row = "[data-rows] .condition-rows > .condition-row:nth-child({}) "
    hands.write(row.format(1) + "[aria-label=Fact]", "views")
    hands.choose(row.format(1) + "[aria-label='In what time']", "24h")
    hands.choose(row.format(1) + "[aria-label=Comparison]", ">")
    hands.write(row.format(1) + "[aria-label=Value]", "three")
    hands.page.wait_for_selector("[data-rows] .condition-row .problem:has-text('number')")
    hands.write(row.format(1) + "[aria-label=Value]", "3")
    hands.press("[data-rows] button:text-is('Add a condition')")
    hands.write(row.format(2) + "[aria-label=Fact]", "trait")
    hands.write(row.format(2) + "[aria-label=Trait]", "city")
    hands.choose(row.format(2) + "[aria-label=Comparison]", "in")
    hands.write(row.format(2) + "[aria-label=Value]", f"Town of {name}; Elsewhere")
    text = f'views.24h > 3 and trait.city in ("Town of {name}", "Elsewhere")'
    hands.page.wait_for_function("text => document.querySelector('#when').value === text", arg=text)
    told = hands.page.inner_text("[data-told]")
    assert "Views in the last 24 hours is more than 3 and the trait city is" in told
    assert re.search(r"^1 of [\d,]+ people", told)
    # the text leads too: rows follow it
    hands.write("#when", f"{text} and not (orders > 0 or purchases.90d > 0)")
    hands.page.wait_for_selector("[data-rows] fieldset fieldset")
    group = "[data-rows] fieldset fieldset "
    assert hands.page.input_value(group + "[aria-label='How they are joined']") == "none"
    assert hands.page.locator(group + "[aria-label=Fact]").evaluate_all("all => all.map(one => one.value)") == ["orders", "purchases"]
    hands.write("#description", "Lookers of one town")
    hands.press("button[value=publish]")
    hands.page.wait_for_selector("text=Version 1 is live")
    with site.admin() as admin:
        members = f"/v1/admin/segments/{name}/members"
        until(lambda: [one["value"] for one in admin.get(members).json()["members"]] == [user])
    hands.press(f"nav.tabs a[href='/segments/{name}/people']")
    hands.press(f"main a[href='/people/{user}']")
    hands.page.wait_for_selector(f"main a[href='/segments/{name}']")


def test_a_rule_is_made_tried_published_seen_in_an_answer_and_rolled_back(hands: Hands, site: Site) -> None:
    name = f"{word(hands)}-rule"
    first = asked(site, "home-popular").json()["items"][0]["item_id"]

    def shown() -> bool:
        return first in {one["item_id"] for one in asked(site, "home-popular").json()["items"]}

    hands.press("nav a[href='/rules']")
    hands.press("a[href='/rules/new']")
    hands.write("#name", name)
    hands.choose("#action", "exclude")
    hands.press("main form button")
    hands.write("#f-items", "nothing-like-this")
    hands.press("button[value=publish]")
    hands.page.wait_for_selector("text=Version 1 is live")
    hands.write("#f-items", first)
    hands.write("#people", "20")
    hands.press("button[value=try]")
    losers = hands.page.locator("table[data-table=losers] tbody tr a")
    losers.first.wait_for()
    assert f"/catalogue/items/{first}" in losers.evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert hands.page.input_value("#f-items") == first
    assert shown()
    hands.press("button[value=publish]")
    hands.page.wait_for_selector("text=Version 2 is live")
    until(lambda: not shown())
    hands.press("nav.tabs a[href$='/versions']")
    hands.press("button[data-dialog=v1]")
    hands.press("#v1 button[type=submit]")
    hands.page.wait_for_selector("text=Version 1 is live now")
    until(shown)
    with site.admin() as admin:
        assert admin.delete(f"/v1/admin/rules/{name}").status_code == 204
