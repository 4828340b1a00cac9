"""What can be plugged in, by dotted name, imported on use: so that serving never loads what only training needs."""

RECOMMENDERS: dict[str, str] = {
    "personal": "app.ml.recommenders.blend.fit:Blend",
    "popular": "app.ml.recommenders.popular.fit:Popular",
    "buy_again": "app.ml.recommenders.buy_again.fit:BuyAgain",
    "item_to_item": "app.ml.recommenders.item_to_item.fit:ItemToItem",
    "ease": "app.ml.recommenders.ease.fit:Ease",
    "als": "app.ml.recommenders.als.fit:Als",
}
