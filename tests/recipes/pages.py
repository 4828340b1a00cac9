"""Reads the code blocks of a recipe page, so that what a test runs is what people copy."""

import re
from pathlib import Path

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
_PART = re.compile(r"^## (?P<title>.+?)$|^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)


def blocks(page: str, language: str) -> dict[str, str]:
    """Return the blocks of a language by the heading they stand under; a heading has at most one."""
    found: dict[str, str] = {}
    title = ""
    for match in _PART.finditer((RECIPES / page).read_text()):
        if match["title"]:
            title = match["title"].strip()
        elif match["language"] == language:
            assert title not in found, f"two {language} blocks under {title!r}"
            found[title] = match["code"]
    return found
