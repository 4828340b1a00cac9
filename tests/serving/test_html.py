"""The HTML for a person: what e-mail programs can draw, whatever stands in the catalogue."""

import asyncio
import base64
import os
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from tests import browser
from tests.conftest import needs
from tests.documents.test_kit import send
from tests.serving.shop import Shop, document

HOSTILE = {
    "i1": {"title": "<script>document.title='hacked'</script>", "brand": "A&B <b>bold</b>"},
    "i5": {"title": "\"Quotes\" & 'apostrophes' <img src=x onerror=\"document.title='hacked'\">"},
    "i9": {"title": "Emoji 👗✨ and 日本語"},
    "i13": {"title": "שמלה אדומה · فستان أحمر"},
    "i17": {"title": "Very long " * 30},
    "i21": {"title": "100%% cotton {{x}} *|MERGE|* [[y]]"},
    "i25": {"title": "No picture at all", "image_link": ""},
    "i29": {"title": "A link that is none", "link": "javascript:alert(1)"},
}
ALLOWED = {
    "style": set(),
    "div": {"class", "style"},
    "table": {"role", "width", "align", "cellpadding", "cellspacing", "border", "bgcolor", "style", "class"},
    "tr": set(),
    "h2": {"style", "class"},
    "td": {"width", "height", "valign", "align", "bgcolor", "style", "colspan", "class"},
    "a": {"href", "style", "class"},
    "img": {"src", "width", "height", "alt", "style", "class"},
    "span": {"style", "class"},
    "br": set(),
}
PROPERTIES = {"font-family", "font-size", "line-height", "color", "text-decoration", "display", "width", "height", "border"}
PROPERTIES |= {"padding", "margin", "max-width", "table-layout", "word-break", "vertical-align"}


class Lint(HTMLParser):
    """Notes every tag, attribute and property that some e-mail program does not draw."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ALLOWED:
            self.faults.append(f"<{tag}>")
            return
        given = dict(attrs)
        self.faults += [f"{tag} {name}" for name in given if name not in ALLOWED[tag]]
        self.faults += [f"{tag}: {p}" for p in re.findall(r"([a-z-]+):", given.get("style") or "") if p not in PROPERTIES]
        if tag == "table" and given.get("role") != "presentation":
            self.faults.append("table without role=presentation")
        if tag == "img" and not {"alt", "width", "height"} <= set(given):
            self.faults.append("img without alt, width or height")
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("img", "br"):
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


async def hostile(shop: Shop) -> str:
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(int(k[1:])), "category": "Odd", **v} for k, v in HOSTILE.items()])
    await shop.settled()
    answer = await shop.get("/v1/snippets/email-grid", limit="8", category="Odd")
    assert answer.status_code == 200
    assert answer.text.count("<a href=") == 2 * len(HOSTILE), "all of them are shown"
    return answer.text


async def test_the_markup_is_what_every_mail_program_draws(shop: Shop) -> None:
    html = await hostile(shop)
    lint = Lint()
    lint.feed(html)
    assert lint.faults == []
    assert lint.open == []
    assert html.isascii()
    assert "javascript:" not in html
    assert not any(tag in html for tag in ("%%", "{{", "*|", "[["))


async def test_default_grid_of_six_stays_under_fifteen_kilobytes(shop: Shop) -> None:
    answer = await shop.get("/v1/snippets/email-grid", user_id="u1")
    assert len(answer.content) < 15_000


@pytest.mark.system
@needs("chromium")
async def test_chromium_draws_it_like_an_email(shop: Shop, tmp_path: Path) -> None:
    html = await hostile(shop)
    wide = await asyncio.to_thread(_drawn, html, tmp_path, 700, "light")
    assert wide["title"] == "An e-mail", "no script of the catalogue ran"
    assert (wide["width"], wide["columns"], wide["cards"]) == (600, 3, len(HOSTILE))
    assert wide["overflow"] <= 0, "nothing is wider than the mail"
    assert str(wide["texts"]).count("<script>") == 1, "the hostile title is shown as text"
    assert wide["colours"] == ["rgb(255, 255, 255)", "rgb(29, 41, 57)"]
    phone = await asyncio.to_thread(_drawn, html, tmp_path, 390, "dark")
    assert (phone["width"], phone["columns"], phone["overflow"]) == (390, 2, 0)
    assert phone["colours"] == ["rgb(22, 25, 31)", "rgb(242, 244, 247)"]
    hero = await shop.get("/v1/snippets/email-hero", user_id="u1")
    small = await asyncio.to_thread(_drawn, hero.text, tmp_path, 390, "light")
    assert (small["width"], small["overflow"]) == (390, 0)


@pytest.mark.system
@needs("chromium")
async def test_chromium_draws_the_headings_of_parts_above_their_items(shop: Shop, tmp_path: Path) -> None:
    await hostile(shop)
    parts = [
        {"name": "with", "heading": "Goes with {{ item.title }}", "default": "Popular", "seed": "page", "limit": 3},
        {"name": "odd", "heading": "What is <b>odd</b>", "filter": {"categories": ["Odd"]}, "limit": 5},
        {"name": "shelves", "default": "Our categories", "shows": "categories", "limit": 3},
    ]
    answer = await send(shop, "PUT", "placements/in-parts", {"parts": parts, "recommender": "item_to_item"})
    assert answer.status_code == 200, answer.text
    await shop.settled()
    html = (await shop.get("/v1/snippets/in-parts", item_id="i1")).text
    lint = Lint()
    lint.feed(html)
    assert (lint.faults, lint.open) == ([], [])
    assert html.isascii()
    for width, scheme in ((700, "light"), (390, "dark")):
        drawn = await asyncio.to_thread(_drawn, html, tmp_path, width, scheme, "parts")
        assert (drawn["title"], drawn["overflow"]) == ("An e-mail", 0)
        assert drawn["headings"][:2] == ["Goes with <script>document.title='hacked'</script>", "What is <b>odd</b>"]
        assert drawn["headings"][2:] == ["Our categories"]
        assert drawn["tops"] == sorted(drawn["tops"]), "each heading stands below the items before it"


def _drawn(html: str, tmp_path: Path, width: int, scheme: str, name: str = "mail") -> dict[str, Any]:
    mail = tmp_path / "mail.html"
    picture = base64.b64encode(_png(180, 180)).decode()
    html = re.sub(r'src="https://shop\.example/[^"]*"', f'src="data:image/png;base64,{picture}"', html)
    mail.write_text(f"<!doctype html><title>An e-mail</title><body style='margin:0;background:#f2f4f7'>{html}")
    with browser.page() as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(mail.as_uri())
        shot = os.environ.get("MORSEL_TEST_SHOTS")
        page.screenshot(path=str(Path(shot or tmp_path) / f"{name}-{width}-{scheme}.png"), full_page=True)
        facts: dict[str, Any] = page.evaluate(
            """() => { const top = document.querySelector('.ms-b'); const box = top.getBoundingClientRect();
            const cards = [...top.querySelectorAll('.ms-c')], first = cards.length ? cards[0].getBoundingClientRect().top : 0;
            return { title: document.title, width: Math.round(box.width),
              columns: cards.filter(e => e.getBoundingClientRect().top === first).length, cards: cards.length,
              overflow: Math.max(...[...document.querySelectorAll('.ms-b, .ms-b *')].map(e => e.getBoundingClientRect().right)) - box.right,
              colours: [getComputedStyle(top).backgroundColor, getComputedStyle(document.querySelector('.ms-b span')).color],
              headings: [...document.querySelectorAll('h2')].map(e => e.innerText),
              tops: [...document.querySelectorAll('h2, .ms-c')].map(e => e.getBoundingClientRect().top),
              texts: top.innerText } }"""
        )
        return facts


def _png(width: int, height: int) -> bytes:
    row = b"\0" + bytes((120, 160, 200)) * width
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row * height)),
        (b"IEND", b""),
    ]
    body = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + body
