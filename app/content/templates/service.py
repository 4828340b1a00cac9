"""Reading and publishing templates."""

from typing import Any

from app.content.liquid import BadTemplate
from app.content.templates.defaults import DEFAULTS
from app.content.templates.domain import Compiled, from_document
from app.core import versioned
from app.core.db import Database
from app.core.errors import Invalid, NotFound
from app.core.versioned import Document

# What every template must survive before it is published.
_PROBE = {
    "item_id": "probe",
    "title": "A title",
    "url": "https://shop.example/a",
    "image_url": "",
    "image_width": 300,
    "image_height": 300,
    "price": 1.5,
    "price_formatted": "1.50",
    "currency": "EUR",
    "brand": "Brand",
    "category": "Category",
    "availability": "in_stock",
    "position": 1,
    "score": 0.5,
    "reason": "popular",
}


async def listed(db: Database, tenant: int) -> list[Document]:
    """Return the published templates, by name."""
    return await versioned.published(db, "template", tenant)


async def publish(db: Database, tenant: int, name: str, document: dict[str, Any]) -> Document:
    """Publish a new version of a template; raises Invalid when it cannot be rendered."""
    check(name, document)
    return await versioned.publish(db, "template", tenant, name, document)


async def history(db: Database, tenant: int, name: str) -> list[Document]:
    """Return all versions of a template, newest first; raises NotFound."""
    found = await versioned.versions(db, "template", tenant, name)
    if not found:
        raise NotFound(f"There is no template named {name!r}.")
    return found


async def add_defaults(db: Database, tenant: int) -> list[str]:
    """Give a fresh shop its templates; existing ones stay as they are."""
    return await versioned.add_missing(db, "template", tenant, DEFAULTS)


def check(name: str, document: dict[str, Any]) -> None:
    """Render a template with a probe item, as often as a placement may show; raises Invalid saying what is wrong."""
    try:
        template = from_document(name, 0, document)
        for part in (template.html, template.text):
            _probe(part)
    except BadTemplate as error:
        raise Invalid(f"The template cannot be used: {error}") from error


def _probe(part: Compiled) -> None:
    cards = [part.whole_card(_PROBE, "en")] * 50
    for count in (0, 1, 50):
        part.page(cards[:count], {"items": [_PROBE] * count, "item_count": count, "placement": "probe", "locale": "en"})
