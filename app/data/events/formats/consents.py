"""What messages say of consent: Segment's consent object and Global Privacy Control. Pure."""

import re
from typing import Any

from app.data.events.domain import Flaw
from app.data.identity.purposes import ANALYTICS, EMAIL, PERSONALISATION, PURPOSES, SALE, TRACKING

# Categories as consent managers name them, without signs and capitals. Others are not guessed: a yes must be meant.
_CATEGORIES = {
    **{name: name for name in PURPOSES},
    "personalization": PERSONALISATION, "personalizationstorage": PERSONALISATION, "analyticsstorage": ANALYTICS,
    "emailmarketing": EMAIL, "newsletter": EMAIL, "advertising": SALE, "datasharing": SALE, "saleofdata": SALE,
    "targetedadvertising": SALE, "linktracking": TRACKING,
}  # fmt: skip
_SIGNS = re.compile(r"[\s_\-]+")


def said(message: dict[str, Any], flaws: list[Flaw], *, telling: bool) -> dict[str, bool] | None:
    """Return what `context.consent.categoryPreferences` says, by purpose; None for nothing.

    Of two categories that are one purpose the no counts. What is no purpose of ours is noted in `flaws` where the message is `telling`
    who somebody is: other messages repeat it.
    """
    context = message.get("context")
    consent = context.get("consent") if isinstance(context, dict) else None
    told = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    if not isinstance(told, dict):
        return None
    found: dict[str, bool] = {}
    for category, granted in told.items():
        purpose = _CATEGORIES.get(_SIGNS.sub("", category.lower()))
        if purpose is None or not isinstance(granted, bool):
            why = "is neither true nor false" if purpose else f"is none of {', '.join(PURPOSES)}"
            if telling:
                flaws.append(Flaw("consent", f"consent category {category[:40]} {why}: it was left out"))
        else:
            found[purpose] = granted and found.get(purpose, True)
    return found or None


def signalled(message: dict[str, Any]) -> bool:
    """Tell whether a message says by itself that the browser signals Global Privacy Control."""
    context = message.get("context")
    return isinstance(context, dict) and context.get("gpc") is True
