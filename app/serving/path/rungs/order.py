"""The ladder: all rungs in their order. The first rung that can answer before the deadline does; those below fill it up."""

from app.serving.model.outcome import Rung
from app.serving.path.rungs import below, lists
from app.serving.path.rungs.live import live
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


def unscored() -> list[Rung]:
    """Return the rungs below the model, which never wait."""
    return [rung for rung in RUNGS if not rung.scored]


def numbered(number: int) -> Rung | None:
    """Return the rung of a number."""
    return next((rung for rung in RUNGS if rung.number == number), None)
