"""The ladder: all rungs in their order. The first rung that can answer before the deadline does; those below fill it up."""

from collections.abc import Sequence

from app.serving.model.outcome import Rung
from app.serving.path.rungs import below, lists
from app.serving.path.rungs.live import live
from app.serving.path.rungs.newest import newest
from app.serving.path.rungs.segment import segment

# Numbers stand in pins and serve records: a new rung takes the next one, wherever its place is.
CACHED = Rung("cached", 1, lists.current, own=True, fallback=False)
LIVE = Rung("live", 0, live, own=True, fallback=False)
STALE = Rung("stale", 2, lists.earlier, own=True)
SEGMENT = Rung("segment", 3, segment, own=True, scored=False)
POPULAR = Rung("popular", 4, below.popular, scored=False)
FIXED = Rung("fixed", 5, below.fixed, scored=False)
# Two that nobody outside tells from `popular`: where nothing passes, a wider filter before fixed content, any item after it.
WIDER = Rung("popular", 4, below.wider, scored=False)
ANYTHING = Rung("popular", 4, below.anything, scored=False)

RUNGS: tuple[Rung, ...] = (CACHED, LIVE, STALE, SEGMENT, POPULAR, WIDER, FIXED, ANYTHING)
# Asked for by name alone, by parts of a block that show what is new; and what no part asks, since its heading would not hold.
NEWEST = Rung("newest", 6, newest, fallback=False, scored=False)
BEYOND = frozenset({WIDER, FIXED, ANYTHING})


def unscored(rungs: Sequence[Rung] | None = None) -> list[Rung]:
    """Return the rungs below the model, which never wait, of all or of some."""
    return [rung for rung in (RUNGS if rungs is None else rungs) if not rung.scored]


def numbered(number: int) -> Rung | None:
    """Return the rung of a number."""
    return next((rung for rung in (*RUNGS, NEWEST) if rung.number == number), None)
