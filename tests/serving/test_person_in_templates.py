"""A template shows facts, traits and segments of the person it is for, of nobody else, and of nobody without their consent."""

from typing import Any

import pytest

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.content.templates.domain import from_document
from app.core.ids import DEFAULT_TENANT
from tests.documents.test_kit import PART, send
from tests.serving.shop import Shop
from tests.serving.test_parity import documented, over_the_wire

WHO = (
    '[{{ person.traits.first_name | default: "there" }}|{{ person.facts["orders.365d"] }}|'
    '{% if person.segments contains "hats" %}hats{% endif %}|{{ person.segments | size }}]'
)
PLAIN = "{% for card in cards %}{{ card }}{% endfor %}"
CARD = "<b>{{ item.title }}</b>"
FRAMED = {"frame": WHO + PLAIN, "card": CARD}
CARDED = {"frame": PLAIN, "card": WHO + CARD}
STRANGER = "[there|||0]"


@pytest.fixture
async def greeted(shop: Shop) -> Shop:
    """A shop that knows the names of two people, one of whom is in a segment; `greeting` and `cards` show them."""
    headers = {"X-Api-Key": shop.key}
    for user, name in (("u2", "Ada"), ("u3", "<Bob>")):
        told = {"userId": user, "traits": {"first_name": name}}
        assert (await shop.http.post("/v1/identify", json=told, headers=headers)).status_code == 200
    assert (await send(shop, "PUT", "segments/hats", {"when": 'affinity.category["Hats"] > 0.5'})).status_code == 200
    for name, part in (("greeting", FRAMED), ("cards", CARDED)):
        assert (await send(shop, "PUT", f"templates/{name}", {"html": part, "text": part})).status_code == 200
        assert (await send(shop, "PUT", f"placements/{name}", {"template": name, "count": 2})).status_code == 200
    await shop.settled()

    async def told() -> bool:
        seen = [(await shop.get("/v1/snippets/greeting", user_id=user)).text for user in ("u2", "u3")]
        return seen[0].startswith("[Ada|") and "|hats|1]" in seen[0] and "Bob" in seen[1] and "|hats|" not in seen[1]

    assert await shop.until(told, 20)
    return shop


async def test_everybody_sees_their_own_whichever_way_they_ask_pinned_and_kept(greeted: Shop) -> None:
    shop = greeted
    mine = {"u2": "[Ada|", "u3": "[&lt;Bob&gt;|", "nobody": STRANGER}
    for send_id in ("", "&send_id=spring"):
        for _ in range(3):
            for placement in ("greeting", "cards"):
                for user, begins in mine.items():
                    target = f"/v1/snippets/{placement}?user_id={user}{send_id}"
                    (wired, short) = await over_the_wire(shop, target, {"x-api-key": shop.key})
                    assert short
                    by_door = await shop.http.get(target, headers={"X-Api-Key": shop.key})
                    by_route = await documented(shop, target, {"X-Api-Key": shop.key})
                    for body in (wired[2].decode(), by_door.text, by_route[2].decode()):
                        assert begins in body
                        assert not any(other in body for who, other in mine.items() if who != user)
                        assert body.count(begins) == (1 if placement == "greeting" else 2)


async def test_a_kept_answer_follows_what_becomes_known(greeted: Shop) -> None:
    shop, asked = greeted, {"user_id": "u2", "send_id": "kept"}
    before = (await shop.get("/v1/snippets/greeting", **asked)).text
    assert before == (await shop.get("/v1/snippets/greeting", **asked)).text
    assert (await send(shop, "PUT", "segments/hats", {"when": "orders > 1000"})).status_code == 200

    async def left() -> bool:
        return "|hats|" not in (await shop.get("/v1/snippets/greeting", **asked)).text

    assert await shop.until(left, 20)
    after = (await shop.get("/v1/snippets/greeting", **asked)).text
    assert after.partition("]")[2] == before.partition("]")[2], "the same items"


async def test_without_consent_nothing_of_the_person_reaches_the_template(greeted: Shop) -> None:
    shop = greeted
    said = await shop.http.put("/v1/admin/people/u2/consent", json={"personalisation": False}, headers={"X-Api-Key": shop.key})
    assert said.status_code < 300

    async def refused() -> bool:
        return (await shop.get("/v1/snippets/greeting", user_id="u2")).text.startswith(STRANGER)

    assert await shop.until(refused)
    for format in ("html", "text"):
        for asked in ({}, {"send_id": "no"}, {"send_id": "no"}):
            body = (await shop.get("/v1/snippets/cards", user_id="u2", format=format, **asked)).text
            assert body.count(STRANGER) == 2


async def test_a_key_of_a_website_shows_nobodys_facts(greeted: Shop) -> None:
    shop = greeted
    told = {"anonymousId": "browser", "traits": {"first_name": "Eve"}}
    assert (await shop.http.post("/v1/identify", json=told, headers={"X-Api-Key": shop.key})).status_code == 200

    async def known() -> bool:
        return (await shop.get("/v1/snippets/greeting", anonymous_id="browser")).text.startswith("[Eve|")

    assert await shop.until(known)
    client = await access.create_client(
        shop.db, shop.settings, DEFAULT_TENANT, NewClient(name="page", kind=ClientKind.WEBSITE, scopes=[Scope.RECOMMEND])
    )
    wanted = NewKey(kind=KeyKind.WEBSITE, origins=["https://shop.example"])
    key = (await access.create_key(shop.db, DEFAULT_TENANT, client.client_id, wanted)).key
    await shop.settled()
    target = f"/v1/snippets/greeting?anonymous_id=browser&key={key}"
    answer = await shop.http.get(target, headers={"Origin": "https://shop.example"})
    assert answer.status_code == 200
    assert answer.text.startswith(STRANGER)


async def test_only_placements_whose_template_names_the_person_read_their_facts(greeted: Shop) -> None:
    shop = greeted
    config = shop.app.state.resources.holder.current[DEFAULT_TENANT].config
    assert config.asking == {(name, form) for name in ("greeting", "cards") for form in ("html", "text")}
    assert (await send(shop, "PUT", "templates/grid", {"html": FRAMED, "text": PART})).status_code == 200
    only = {**PART, "frame": '{% if person.segments contains "hats" %}' + PART["frame"] + "{% endif %}"}
    assert (await send(shop, "PUT", "templates/cards", {"html": only, "text": PART})).status_code == 200
    await shop.settled()
    # the grid stands in for a block that comes out empty
    assert (await shop.get("/v1/snippets/cards", user_id="u3")).text.startswith("[&lt;Bob&gt;|")
    assert (await shop.get("/v1/snippets/cards", user_id="u2")).text.startswith("<b>")


async def test_a_preview_shows_it_as_the_person_gets_it(greeted: Shop) -> None:
    shop = greeted
    for user, begins in (("u2", "[Ada|"), ("", STRANGER)):
        wanted = {"user_id": user, "placement": "greeting"}
        assert (await send(shop, "POST", "templates/greeting/preview", wanted)).text.startswith(begins)


NEVER = (
    ('{{ item.title }}\n{{ person.facts["ordrs.30d"] }}', "line 2: ", "did you mean orders?"),
    ('{{ person.facts["orders.5d"] }}', "line 1: ", "has no window 5d"),
    ("{% assign name = 'orders' %}\n\n{{ person.facts[name] }}", "line 3: ", "takes a name that is written out"),
    ("{% assign who = person.traits %}", "line 1: ", "takes a name that is written out"),
    ("{{ person.facts.days_since.open }}", "line 1: ", 'write person.facts["days_since.open"]'),
    ('{{ person.facts["item.price"] }}', "line 1: ", "there is no fact item.price"),
    ('{{ person.facts["orders + 1"] }}', "line 1: ", "is no fact"),
)
TOLD = (
    ('{% if person.segments contains "hatz" %}x{% endif %}', "line 1: there is no segment hatz"),
    ('{{ person.facts["segment.hatz"] }}', "line 1: there is no segment hatz"),
    ("{{ person.firstname }}", "line 1: person.firstname is nothing to show"),
    ("{% assign who = person %}", "line 1: person is nothing to show"),
)


async def test_what_a_template_cannot_get_of_a_person_is_told_on_its_line_with_the_nearest_name(shop: Shop) -> None:
    for source, line, says in NEVER:
        card = {**PART, "card": "<b>{{ item.title }}</b>" + source}
        answer = await send(shop, "PUT", "templates/new?dry_run=1", {"html": card, "text": PART})
        assert answer.status_code == 422, source
        (error,) = answer.json()["errors"]
        assert error["field"] == "html.card"
        assert error["message"].startswith(line)
        assert says in error["message"]
    for source, says in TOLD:
        frame = {**PART, "frame": PART["frame"] + source}
        answer = await send(shop, "PUT", "templates/new?dry_run=1", {"html": PART, "text": frame})
        assert answer.status_code == 200, source
        (warning,) = [one for one in answer.json()["findings"] if one["level"] == "warning"]
        assert (warning["field"], warning["message"][: len(says)]) == ("text.frame", says)


async def test_a_comparison_with_another_type_gives_way_to_the_grid_for_that_person_alone(greeted: Shop) -> None:
    shop = greeted
    old = {**PART, "frame": "{% if person.traits.first_name > 30 %}old{% endif %}" + PART["frame"]}
    assert (await send(shop, "PUT", "templates/cards", {"html": old, "text": PART})).status_code == 200
    await shop.settled()
    assert "<table" in (await shop.get("/v1/snippets/cards", user_id="u2")).text
    assert (await shop.get("/v1/snippets/cards", user_id="nobody")).text.startswith("<b>")


def test_what_is_rendered_once_for_all_never_gets_a_person() -> None:
    hidden: tuple[Any, ...] = (
        '{{ person.traits["a"] }}', "{{ ['person'].traits.a }}",
        "{% assign p = person.traits.a %}{{ p }}",
        "{% for one in person.segments %}{{ one }}{% endfor %}",
    )  # fmt: skip
    for source in hidden:
        html = from_document("t", 1, {"html": {"frame": PLAIN + source, "card": CARD + source}, "text": PART}).parts["html"]
        assert html.person is not None
        assert html.slow, source
        assert html.pieces(2, "p", "") is None or html.slow
    named = from_document("t", 1, {"html": PART, "text": PART}).parts["html"]
    assert (named.person, named.slow) == (None, False)
