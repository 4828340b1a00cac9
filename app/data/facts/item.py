"""What is known of an item, as entries of the list of facts; read from whatever `view.item` is that has a `value` of name and key."""

from app.data.facts.domain import Fact, Read, Ref, Subject, Type

_ATTR = "item.attr"


def _reading(name: str) -> Read:
    return lambda view: None if view.item is None else view.item.value(name, "")


def _attribute(ref: Ref) -> Read:
    key = ref.key
    return lambda view: None if view.item is None else view.item.value(_ATTR, key)


def _entry(name: str, type_: Type, sentence: str, words: str, unit: str = "", source: str = "catalogue") -> Fact:
    read = _reading(f"item.{name}")
    return Fact(f"item.{name}", type_, sentence, words, lambda ref: read, subject=Subject.ITEM, unit=unit, source=source)


def entries() -> list[Fact]:
    """Return the entries."""
    return [
        _entry("id", Type.TEXT, "The id of the item.", "the item's id"),
        _entry("group", Type.TEXT, "The `item_group_id`, else the id.", "the item's group"),
        _entry("title", Type.TEXT, "The title.", "the item's title"),
        _entry("brand", Type.TEXT, "The brand.", "the item's brand"),
        _entry("category", Type.TEXT, "The whole category, as Women > Dresses.", "the item's category"),
        _entry("kind", Type.TEXT, "The kind, such as product or article.", "the item's kind"),
        _entry("currency", Type.TEXT, "The currency of the price.", "the item's currency"),
        _entry("price", Type.NUMBER, "The price as it is shown now, a sale included.", "the item's price", "currency units"),
        _entry("on_sale", Type.FLAG, "Whether a sale price holds now.", "a sale price now"),
        _entry("margin", Type.NUMBER, "The price shown less `cost_of_goods_sold`, else `cost`; unknown without one of them in the same "
               "currency.", "the item's margin", "currency units"),
        _entry("age", Type.NUMBER, "Days since the item came into the catalogue.", "the item's age in days", "days"),
        _entry("stock", Type.NUMBER, "How many there are: `quantity`, else `stock_quantity`, `stock` or `inventory`.",
               "the item's stock", "pieces"),
        _entry("popularity", Type.NUMBER, "The place in the popular list of all people, 1 for the first down to 0 for those not in it.",
               "the item's popularity", source="events"),
        _entry("rating", Type.NUMBER, "`rating`, else `average_rating`.", "the item's rating"),
        Fact(_ATTR, Type.ANY, "Any other field of the item as it was sent, also one within `attributes`.", "the item's {key}", _attribute,
             subject=Subject.ITEM, source="catalogue", keys="field", key_needed=True),
    ]  # fmt: skip
