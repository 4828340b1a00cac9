"""The words of an answer: rungs, reasons, and the answer itself before it is written out."""

# Order is the wire number in pins and serve records: append only.
RUNGS = ("live", "cached", "stale", "segment", "popular", "fixed")
REASONS = (
    "",
    "no_user",
    "unknown_user",
    "no_consent",
    "low_confidence",
    "too_few_items",
    "deadline",
    "model_missing",
    "model_error",
    "cache_down",
    "database_down",
    "rate_limited",
    "overload",
    "unknown_placement",
)
ITEM_REASONS = (
    "for_you",
    "bought_before",
    "goes_with",
    "popular",
    "popular_in_category",
    "popular_in_country",
    "fixed",
)
# What these rungs give comes from the person's own history, so it needs their consent.
OWN_RUNGS = frozenset({"live", "cached", "stale", "segment"})

# One chosen item: its index in the catalogue, its score, and why it is here.
Pick = tuple[int, float, str]


class Outcome:
    """What the ladder decided; `version` is that of the model, `pinned` tells that it was decided by an earlier call."""

    recommendation_id: bytes = b""
    person_no: int = 0
    pinned: bool = False

    def __init__(self, rung: str, reason: str, picks: list[Pick], model_no: int = 0, recommender: str = "", version: str = "") -> None:
        self.rung = rung
        self.reason = reason
        self.picks = picks
        self.model_no = model_no
        self.recommender = recommender
        self.version = version


def is_fallback(rung: str) -> bool:
    """Tell whether a rung is lower than a current list."""
    return rung not in ("live", "cached")
