"""An added format is one entry: from there on it is asked for, rendered, escaped, previewed, published in templates and documented."""

from xml.etree import ElementTree

import pytest

from app.content.escaping import ascii_html, neutral_html
from app.content.formats import FORMATS, Format
from app.content.templates import service as templates
from app.core.errors import Invalid
from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Fixed, Placement
from tests.documents.test_kit import send
from tests.serving.shop import Shop, document
from tests.serving.test_parity import documented, over_the_wire, plain

XML = Format(
    "xml",
    "application/xml",
    encode=ascii_html,
    escape=neutral_html,
    frame="<items>{% for card in cards %}{{ card }}{% endfor %}</items>",
    card='<item id="{{ item.item_id }}"><title>{{ item.title }}</title><link>{{ item.url }}</link></item>',
    empty=b"<items/>",
)
HOSTILE = 'Fish & "Chips" <b>10%%</b> {{x}} Ü'
TARGET = "/v1/recommendations?placement=email-grid&user_id=u1&format=xml&limit=3"
NONE = Filter(categories=("\N{SNOWMAN}",))


@pytest.fixture(autouse=True)
def one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, XML.name, XML)


async def test_an_added_format_is_served_alike_over_the_socket_by_the_door_and_by_the_documented_route(shop: Shop) -> None:
    headers = {"x-api-key": shop.key}
    expected = plain(await documented(shop, TARGET, headers))
    reply, short = await over_the_wire(shop, TARGET, headers)
    assert short
    assert plain(reply) == expected
    answer = await shop.get(placement="email-grid", user_id="u1", format="xml", limit=3)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/xml; charset=utf-8")
    items = ElementTree.fromstring(answer.content)
    assert len(items) == 3
    assert all("/c/" in (one.findtext("link") or "") for one in items)
    assert (await shop.get("/v1/snippets/email-grid", user_id="u1", format="xml")).content.startswith(b"<items><item ")


async def test_an_added_format_escapes_what_a_catalogue_holds(shop: Shop) -> None:
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(900), "title": HOSTILE}])
    await placements.publish(shop.db, DEFAULT_TENANT, "one", Placement(filter=NONE, count=1, fixed=Fixed(items=("i900",))))
    await shop.settled()

    async def fixed() -> bytes:
        answer: bytes = (await shop.get(placement="one", format="xml", empty="blank")).content
        return answer if b"Chips" in answer else b""

    body = await shop.until(fixed, 30)
    assert body.isascii()
    assert not any(tag in body for tag in (b"{{", b"%%"))
    assert ElementTree.fromstring(body)[0].findtext("title") == HOSTILE


async def test_a_template_may_have_a_part_and_a_placement_fixed_content_of_an_added_format(shop: Shop) -> None:
    part = {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": "<mine>{{ item.item_id }}</mine>"}
    await templates.publish(shop.db, DEFAULT_TENANT, "mine", {"html": part, "text": part, "xml": part})
    await placements.publish(shop.db, DEFAULT_TENANT, "mine", Placement(template="mine", count=1))
    bare = Fixed.model_validate({"xml": "<soon/>"})
    await placements.publish(shop.db, DEFAULT_TENANT, "bare", Placement(filter=NONE, fixed=bare, blocked=()))
    await shop.settled()
    assert (await shop.get("/v1/snippets/mine", user_id="u1", format="xml")).content.startswith(b"<mine>i")
    blocked = ",".join(f"i{n}" for n in range(100))
    assert [bare.written(name) for name in ("xml", "html", "json")] == ["<soon/>", "", ""]
    nothing = await shop.get("/v1/snippets/bare", format="xml", empty="blank", exclude=blocked)
    assert nothing.content == b"<items/>", "a body in which nothing is to be shown is still one of its format"
    seen = await send(shop, "POST", "placements/mine/preview", {"format": "xml", "user_id": "u1"})
    assert (seen.headers["content-type"], seen.content[:6]) == ("application/xml; charset=utf-8", b"<mine>")


async def test_a_part_of_no_format_and_a_format_that_is_none_are_told(shop: Shop) -> None:
    part = {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": "x"}
    with pytest.raises(Invalid) as told:
        await templates.publish(shop.db, DEFAULT_TENANT, "mine", {"html": part, "text": part, "txt": part})
    assert told.value.extra["errors"] == [{"field": "txt", "message": "there is no such field; did you mean text?"}]
    with pytest.raises(Invalid) as told:
        await templates.publish(shop.db, DEFAULT_TENANT, "mine", {"html": part, "text": part, "xml": {**part, "cards": "x"}})
    assert told.value.extra["errors"][0]["field"] == "xml.cards"
    with pytest.raises(ValueError, match="Extra inputs"):
        Fixed.model_validate({"json": "{}"})
    assert "must be one of json, html, text, xml" in (await send(shop, "POST", "placements/email-grid/preview", {"format": "pdf"})).text
    assert (await shop.get(placement="email-grid", format="pdf")).json()["warnings"] == ["format: must be one of json, html, text, xml"]
