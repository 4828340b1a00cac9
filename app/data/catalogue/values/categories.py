"""Categories and other words of the catalogue, compared without regard to case and spaces."""

BELOW = " > "


def comparable(word: str) -> str:
    """Return the form in which words are compared: lower case, one space, and ` > ` between the parts of a category."""
    return BELOW.join(" ".join(part.casefold().split()) for part in word.split(">"))


def above(category: str) -> str:
    """Return the category that a category lies in, '' for one at the top."""
    return category.rpartition(">")[0].rstrip()


def last(category: str) -> str:
    """Return the last name of a category, as people call it: Boots for Shoes > Boots."""
    return category.rpartition(">")[2].strip()


def lies_in(category: str, other: str) -> bool:
    """Tell whether a category is another one, or lies below it; both in their comparable form."""
    return category == other or category.startswith(f"{other}{BELOW}")
