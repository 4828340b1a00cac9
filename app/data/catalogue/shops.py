"""The catalogues that shops export, known by their columns: a row of theirs as items of ours. docs/catalogue.md says what is assumed."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

Row = Mapping[str, Any]
Reader = Callable[[Row], "dict[str, Any] | str"]
_PICTURE = "a row that holds a further picture only was passed over"
_CHILD = "a variant that has no page of its own was passed over"
_PARENT = "a product whose variations follow as items was passed over"
_VIEW = "a row for another store view was passed over"
_HIDDEN = "out_of_stock"
_MOST_KEPT = 10_000


def reader_of(fields: Iterable[str]) -> tuple[str, Reader] | None:
    """Return the shop system that writes these columns, and what reads its rows; None for a feed with fields of our own.

    A reader returns the item, or what to tell of a row that is none.
    """
    have = set(fields)
    if {"handle", "variant_price"} <= have:
        return "Shopify", Shopify().item
    if {"regular_price", "in_stock?"} <= have:
        return "WooCommerce", WooCommerce().item
    if {"sku", "name", "price"} <= have and have & {"attribute_set_code", "is_in_stock"}:
        return "Magento", magento
    if "product_name" in have and have & {"product_code/sku", "current_stock_level"}:
        return "BigCommerce", bigcommerce
    return None


class _Kept(OrderedDict[str, dict[str, Any]]):
    """Products whose variants follow, the newest of them."""

    def keep(self, names: Iterable[str], what: dict[str, Any]) -> None:
        for name in names:
            if name:
                self[name] = what
        while len(self) > _MOST_KEPT:
            self.popitem(last=False)


class Shopify:
    """Rows of a product export: the first of a handle has the product's texts, further ones variants or pictures alone."""

    def __init__(self) -> None:
        self._products = _Kept()

    def item(self, row: Row) -> dict[str, Any] | str:
        """Read a row."""
        handle = _text(row, "handle")
        if _text(row, "title"):
            self._products.keep([handle], dict(row))
        product = self._products.get(handle, {})
        options = [text for number in "123" if (text := _text(row, f"option{number}_value")) and text != "Default Title"]
        if not _text(row, "variant_price"):
            return _PICTURE
        one = partial(_either, row, product)
        active = one("status").lower() in ("", "active") and one("published").lower() != "false"
        tracked = "variant_inventory_tracker" not in row or _text(row, "variant_inventory_tracker") != ""
        endless = _text(row, "variant_inventory_policy").lower() == "continue"
        stock = _text(row, "variant_inventory_qty") if tracked and not endless else ""
        price, before = _text(row, "variant_price"), _text(row, "variant_compare_at_price")
        return _filled(
            id=_text(row, "variant_sku") or "-".join([handle, *options]),
            item_group_id=handle,
            title=one("title"),
            description=one("body_(html)"),
            brand=one("vendor"),
            category=one("product_category") or one("type"),
            image_link=_text(row, "variant_image") or _text(row, "image_src") or _text(product, "image_src"),
            link=f"/products/{handle}",
            availability=(stock or "in_stock") if active else _HIDDEN,
            option=" / ".join(options),
            **_reduced(price, before),
        )


class WooCommerce:
    """Rows of the product exporter: a variation takes what it lacks from its product, which stands before it."""

    def __init__(self) -> None:
        self._products = _Kept()

    def item(self, row: Row) -> dict[str, Any] | str:
        """Read a row."""
        kinds = _text(row, "type").lower()
        number, sku = _text(row, "id"), _text(row, "sku")
        if "variable" in kinds:
            self._products.keep([f"id:{number}", sku], dict(row))
            return _PARENT
        above = _text(row, "parent") if "variation" in kinds else ""
        product = self._products.get(above, {})
        one = partial(_either, row, product)
        published = _text(row, "published") not in ("0", "-1") and _text(product, "published") not in ("0", "-1")
        pictures = [part.strip() for part in one("images").split(",") if part.strip()]
        begins, ends = _text(row, "date_sale_price_starts"), _text(row, "date_sale_price_ends")
        return _filled(
            id=sku or number,
            item_group_id=(_text(product, "sku") or above.removeprefix("id:")) if above else "",
            title=one("name"),
            description=one("description") or one("short_description"),
            brand=one("brands"),
            category=_deepest(one("categories").split(",")),
            image_link=pictures[0] if pictures else "",
            additional_image_link=pictures[1:],
            link=one("external_url") or (f"/?p={number}" if number else ""),
            price=_text(row, "regular_price"),
            sale_price=_text(row, "sale_price"),
            sale_price_effective_date=f"{begins or '2000-01-01'}/{ends or '2999-12-31'}" if begins or ends else "",
            availability=_text(row, "in_stock?") if published else _HIDDEN,
        )


def magento(row: Row) -> dict[str, Any] | str:
    """Read a row of a Magento export; simple products that only show as part of a configurable one are not items."""
    if _text(row, "store_view_code"):
        return _VIEW
    if _text(row, "visibility").lower() == "not visible individually":
        return _CHILD
    begins, ends = _text(row, "special_price_from_date"), _text(row, "special_price_to_date")
    image, key = _text(row, "base_image"), _text(row, "url_key")
    paths = [path.strip().partition("/")[2] or path.strip() for path in _text(row, "categories").split(",")]
    online = _text(row, "product_online") not in ("0", "2")
    return _filled(
        id=_text(row, "sku"),
        title=_text(row, "name"),
        description=_text(row, "description") or _text(row, "short_description"),
        brand=_text(row, "manufacturer") or _text(row, "brand"),
        category=_deepest([" > ".join(path.split("/")) for path in paths]),
        image_link=image if image.startswith("http") or not image else f"/media/catalog/product/{image.lstrip('/')}",
        link=f"/{key}.html" if key else "",
        price=_text(row, "price"),
        sale_price=_text(row, "special_price"),
        sale_price_effective_date=f"{begins or '2000-01-01'}/{ends or '2999-12-31'}" if begins or ends else "",
        availability=(_text(row, "is_in_stock") or _text(row, "qty")) if online else _HIDDEN,
    )


def bigcommerce(row: Row) -> dict[str, Any] | str:
    """Read a row of a BigCommerce export; rows of options and pictures are not items."""
    if _text(row, "item_type").lower() not in ("", "product"):
        return _CHILD
    shown = _text(row, "product_visible?").lower() not in ("n", "no", "false", "0")
    tracked = _text(row, "track_inventory").lower() not in ("", "none")
    stock = _text(row, "current_stock_level") if tracked else ""
    return _filled(
        id=_text(row, "product_code/sku") or _text(row, "product_id"),
        title=_text(row, "product_name"),
        description=_text(row, "product_description"),
        brand=_text(row, "brand_name") or _text(row, "brand"),
        category=_deepest([" > ".join(path.split("/")) for path in re.split("[;,]", _text(row, "category"))]),
        image_link=_text(row, "product_image_url_1") or _text(row, "product_image_file_1"),
        link=_text(row, "product_url"),
        price=_text(row, "price"),
        sale_price=_text(row, "sale_price"),
        availability=(stock or _text(row, "product_availability") or "in_stock") if shown else _HIDDEN,
    )


def documents_of(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return the items of an object as the shop systems' interfaces write it; None for an object with fields of our own."""
    if isinstance(value.get("variants"), list) and "handle" in value:
        return [_shopify_variant(value, one) for one in value["variants"] if isinstance(one, Mapping)]
    if "permalink" in value and "stock_status" in value:
        return [_woocommerce_product(value)]
    return None


def _shopify_variant(product: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    pictures = [one.get("src") for one in product.get("images") or [] if isinstance(one, Mapping)]
    own = variant.get("featured_image")
    price, before = (str(variant.get(name) or "") for name in ("price", "compare_at_price"))
    stock = variant.get("available", variant.get("inventory_quantity"))
    return _filled(
        id=str(variant.get("sku") or variant.get("id") or ""),
        item_group_id=str(product["handle"]),
        title=product.get("title"),
        description=product.get("body_html"),
        brand=product.get("vendor"),
        category=product.get("product_type"),
        image_link=own.get("src") if isinstance(own, Mapping) else (pictures or [""])[0],
        link=f"/products/{product['handle']}",
        availability=stock,
        **_reduced(price, before),
    )


def _woocommerce_product(product: Mapping[str, Any]) -> dict[str, Any]:
    names = [one.get("name") for one in product.get("categories") or [] if isinstance(one, Mapping)]
    pictures = [one.get("src") for one in product.get("images") or [] if isinstance(one, Mapping)]
    return _filled(
        id=str(product.get("sku") or product.get("id") or ""),
        title=product.get("name"),
        description=product.get("description") or product.get("short_description"),
        category=(names or [""])[0],
        image_link=(pictures or [""])[0],
        link=product.get("permalink"),
        price=product.get("regular_price") or product.get("price"),
        sale_price=product.get("sale_price"),
        availability=product.get("stock_status"),
    )


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return str(value[0] if isinstance(value, list) and value else value or "").strip()


def _either(row: Row, product: Row, name: str) -> str:
    """Return the variant's own text, else its product's."""
    return _text(row, name) or _text(product, name)


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}


def _reduced(price: str, before: str) -> dict[str, str]:
    """Return a price and what it was before as ours: the full one, and the sale; a sale that is none is left out where it is read."""
    return {"price": before, "sale_price": price} if _number(before) > _number(price) else {"price": price}


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text) else 0.0


def _deepest(paths: Iterable[str]) -> str:
    """Return the path with the most levels, the first of equals."""
    return max((path.strip() for path in paths), key=lambda path: path.count(">"), default="")
