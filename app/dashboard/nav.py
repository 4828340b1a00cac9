"""The pages, in the order of the menu; a page that is not here is reached from another one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A line of the menu: `scope` is what a person must hold to see it, `words` are what the palette finds it by, `also` is another
    address whose pages belong to it.
    """

    path: str
    title: str
    icon: str
    group: str
    scope: str = "admin:read"
    words: str = ""
    also: str = ""


MENU: tuple[Entry, ...] = (
    Entry("/", "Home", "house", "", words="start overview attention"),
    Entry("/placements", "Placements", "layout-template", "Show", words="slots blocks filter recommender"),
    Entry("/rules", "Rules", "list-filter", "Show", words="boost bury exclude pin cap merchandising dry run conditions"),
    Entry("/templates", "Templates", "file-code", "Show", words="html text liquid letters design"),
    Entry("/sends", "Sends", "send", "Show", words="letters campaign announce forecast preflight prewarm"),
    Entry("/catalogue", "Catalogue", "package", "Know", words="items products feed import prices stock"),
    Entry("/people", "People", "users", "Know", words="person profile history consent erase merges"),
    Entry(
        "/segments", "Segments", "funnel", "Know", words="groups audience condition members lists rfm lifecycle clusters", also="/clusters"
    ),
    Entry("/facts", "Facts", "list-tree", "Know", words="data dictionary traits counts coverage distribution"),
    Entry("/events", "Events", "activity", "Know", words="live tail refused replay unknown rates lag"),
    Entry("/models", "Models", "brain", "Learn", words="recommender training metrics promote roll back versions"),
    Entry("/signals", "Signals", "chart-line", "Learn", words="opens clicks rates orders revenue campaigns machines"),
    Entry("/access", "Access", "key-round", "Run", words="clients keys scopes accounts limits"),
    Entry("/health", "Health", "heart-pulse", "Run", words="processes redis postgresql settings disk"),
    Entry("/audit", "Audit", "scroll-text", "Run", words="log changes who"),
)


def grouped(scopes: frozenset[str]) -> list[tuple[str, list[Entry]]]:
    """Return the menu of somebody with these scopes, by group."""
    groups: dict[str, list[Entry]] = {}
    for entry in MENU:
        if "admin" in scopes or entry.scope in scopes:
            groups.setdefault(entry.group, []).append(entry)
    return list(groups.items())
