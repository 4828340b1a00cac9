"""The placements a fresh shop has."""

from app.decisions.placements.domain import Filter, Placement

DEFAULTS: dict[str, Placement] = {
    "email-hero": Placement(
        count=1, template="hero", filter=Filter(exclude_bought=True), description="The one item on top of a newsletter, new to the person."
    ),
    "email-grid": Placement(count=6, filter=Filter(exclude_bought=True), description="Six items in an e-mail, none of them bought before."),
    "pdp-similar": Placement(
        recommender="item_to_item", anchor="item", count=6, description="On a product page: what goes with the product shown."
    ),
    "cart-complement": Placement(
        recommender="item_to_item", anchor="item", count=4, description="In the cart: what goes with the items in it."
    ),
    "home-popular": Placement(recommender="", count=12, description="Popular items for everybody; also answers for unknown placements."),
}
