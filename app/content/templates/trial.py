"""Tries a template on as many cards as an answer can have, in a process of its own: one that never ends, or eats memory, harms nobody."""

import asyncio
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from app.content.bounds import Clock
from app.content.liquid import BadTemplate, TooSlow, shown, shown_text
from app.content.templates.domain import Compiled, from_document
from app.core.errors import Unavailable
from app.core.parent import end_with_parent

MOST_CARDS = 50
# Half of what an answer allows, so that what was published is not put aside on a slower machine.
_TRIAL_S = 0.05
_CPU_S = 5
_WALL_S = 30.0
_MEMORY = 1 << 30
_AWAY = "The template cannot be tried now; publish it again."
_PLAIN = {
    "item_id": "probe", "title": "A title", "url": "https://shop.example/a", "image_url": "https://shop.example/a.jpg", "image_width": 300,
    "image_height": 300, "price": 1.5, "price_formatted": "1.50", "currency": "EUR", "brand": "Brand", "category": "Category",
    "availability": "in_stock", "position": "1", "score": "0.5", "reason": "popular",
}  # fmt: skip
# what a catalogue may hold beside that
_ODD: tuple[dict[str, Any], ...] = (
    {},
    {"image_url": "", "brand": "", "category": "", "price_formatted": "", "currency": "", "price": 0, "score": "0"},
    {"title": "", "item_id": "0", "price": 0.01, "image_width": 1, "image_height": 1},
    {"title": "A long title " * 150, "brand": "B" * 500, "category": "C > D" * 100, "url": "https://shop.example/" + "x" * 1_500},
    {
        "title": "<b>&amp; {{ x }} %%y%% \"'`",
        "brand": "☂ שלום مرحبا 你好 👩‍👩‍👧",
        "price": 12_345_678.9,
        "price_formatted": "12.345.678,90 €",
    },
)


async def fault(document: dict[str, Any], items: Sequence[dict[str, Any]]) -> str | None:
    """Return what is wrong with a template, tried on items as they are shown and on odd ones; raises Unavailable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MORSEL_", "PROMETHEUS_"))}
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, env={**kept, "MORSEL_PARENT": str(os.getpid())},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(_AWAY) from error
    try:
        async with asyncio.timeout(_WALL_S):
            out, _ = await process.communicate(orjson.dumps([document, list(items)[:MOST_CARDS]]))
    except TimeoutError:
        return "it takes too long"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        return "it takes too much time or memory to be read and rendered"
    told: str = orjson.loads(out)
    return told or None


def tried(document: dict[str, Any], items: Sequence[dict[str, Any]]) -> str:
    """Render each part of a template in all sizes, within the time that it has; return what is wrong, empty when nothing is."""
    odd = [{**_PLAIN, **one} for one in _ODD]
    cards = [{**_PLAIN, **item} for item in (items or odd)]
    while len(cards) < MOST_CARDS:
        cards += cards
    cards = cards[: MOST_CARDS - len(odd)] + odd
    try:
        template = from_document("trial", 0, document)
        for name, part in template.parts.items():
            try:
                _try(part, [shown(card, part.form) for card in cards])
            except TooSlow as error:
                raise TooSlow(f"{name}: {MOST_CARDS} cards: {str(error).strip()}") from error
            except BadTemplate as error:
                raise BadTemplate(f"{name}: {error}") from error
    except BadTemplate as error:
        return str(error).strip()
    return ""


def _try(part: Compiled, cards: list[dict[str, Any]]) -> None:
    if part.person is None:
        if not _tried(part, cards, {}).strip():
            raise BadTemplate("renders to nothing; does the frame put out the cards?")
        return
    # who gets a block at all may hang on the person
    _tried(part, cards, {"person": {"facts": {}, "traits": {}, "segments": []}})
    for value in (shown_text(part.form)("A long name, " * 200), 12_345.678):
        facts, traits = (dict.fromkeys(names, value) for names in (part.person.facts, part.person.traits))
        try:
            _tried(part, cards, {"person": {"facts": facts, "traits": traits, "segments": [str(value)] * 50}})
        except TooSlow:
            raise
        except BadTemplate:
            continue  # it compares with another type than this


def _tried(part: Compiled, cards: list[dict[str, Any]], who: dict[str, Any]) -> str:
    for count in (0, 1, MOST_CARDS):
        for clock in (Clock(1.0), Clock(_TRIAL_S)):  # the first time much is looked up that is at hand later
            context = {"items": cards[:count], "item_count": count, "placement": "trial", "locale": "en", **who}
            if part.reads_parts:
                context["parts"] = [
                    {"name": "one", "heading": "A heading", "shows": "items", "first": 1, "item_count": count, "items": cards[:count]}
                ]
            page = part.page([part.whole_card(card, "en", clock, who) for card in cards[:count]], context, clock)
    return page


def main() -> None:
    """Read a template and items from standard input, and write what is wrong."""
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    document, items = orjson.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(orjson.dumps(tried(document, items)))


if __name__ == "__main__":
    main()
