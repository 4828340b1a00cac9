"""One call on its way through the fast path: what was asked, what was found, what was decided."""

# long: one value from the first step to the last: its fields are the fast path

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from app.content.formats import JSON, Format
from app.core.errors import BadRequest, Problem
from app.data.facts.domain import Seen
from app.data.facts.packed import PersonFacts
from app.data.profiles.state_codec import StateView
from app.decisions.placements.domain import Filter, Placement
from app.decisions.rules.plan import Plan
from app.decisions.rules.program import Program
from app.serving.model.candidates import Candidates
from app.serving.model.outcome import Outcome, Reason
from app.serving.snapshot.catalogue import Ints
from app.serving.snapshot.snapshot import Placed, Snapshot

NONE = np.zeros(0, np.int64)
NOBODY: frozenset[int] = frozenset()
EMPTY: Mapping[str, Any] = MappingProxyType({})
_Owner = TypeVar("_Owner")
_Rest = ParamSpec("_Rest")


class Call:
    """A plain object whose defaults stand on the class: most calls set few of them, and each one set costs time.

    The steps of the pipeline fill it from top to bottom; `done` is called once, when `body` or `problem` is there.
    """

    # asked (request.py); `key` is empty when nobody is named, `items` are those of the page or cart, `said` tells that more was said
    # than placement, person and form
    tenant: int
    placement: str
    said: bool = False
    user: str = ""
    key: bytes = b""
    limit: int = 0
    items: tuple[str, ...] = ()
    exclude: frozenset[str] = frozenset()
    category: str = ""
    locale: str = ""
    campaign: str = ""
    channel: str = ""
    country: str = ""
    ctx: Mapping[str, str] = EMPTY
    send_id: str = ""
    format: Format = JSON
    escape: bool = False
    blank: bool = False
    open_pixel: bool | None = None
    strict: bool = False
    explain: bool = False
    head: bool = False
    warnings: Sequence[str] = ()
    client_no: int = 0
    public: bool = False

    # placed (pipeline.py); `until` in loop time, `program` the rules of the placement and `plan` which act, `narrow` what of them has
    # lists of its own, `personal` that a template shows something of the person, `anchor` group numbers of `items`, `banned` group
    # indexes that must not be shown
    snapshot: Snapshot
    placed: Placed
    rules: Placement
    wanted: Filter
    nothing: bool = False
    widened: bool = False
    until: float = 0.0
    program: Program | None = None
    plan: Plan | None = None
    narrow: str = ""
    anchor: Ints = NONE
    anchored: bool = False
    banned: frozenset[int] = NOBODY
    state_key: str = ""
    facts_key: str = ""
    shown_key: str = ""
    personal: bool = False
    list_key: str = ""
    pin_key: str = ""

    # found (person.py, ladder.py); `closed` says why the person's own rungs are shut, empty when they are open; `own` tells that
    # scores may rest on the person; `untracked` that links and opens may not be followed, None where nobody said; `facts` are what
    # rules read of them and `view` what they see altogether, `shown` what they were shown
    state: StateView | None = None
    untracked: bool | None = None
    closed: Reason = Reason.NONE
    trusted: bool = False
    cached: Candidates | None = None
    pinned: bytes | None = None
    bought: frozenset[int] = NOBODY
    seen: frozenset[int] | None = None
    own: bool = True
    facts: PersonFacts | None = None
    view: Seen | None = None
    shown: bytes | None = None

    # decided (ladder.py), `ruled` by which rules and with which `effects`, and written (answer.py); `pixel` is the address of the open
    # pixel, empty without one; `direct` tells that links lead straight to the items' own pages
    outcome: Outcome
    ruled: Any = None
    effects: Sequence[Mapping[str, Any]] = ()
    pixel: str = ""
    direct: bool = False
    body: bytes | None = None
    problem: Problem | None = None
    trail: list[dict[str, str]] | None = None

    # moments of time.perf_counter
    received: float = 0.0
    known: float = 0.0
    started: float = 0.0
    found: float = 0.0
    chosen: float = 0.0
    written: float = 0.0

    # who answers, and who ends a call whose step failed
    done: Callable[["Call"], None]
    fail: Callable[["Call", Exception], None]

    def __init__(self, tenant: int, placement: str, format: Format = JSON) -> None:
        self.tenant = tenant
        self.placement = placement
        self.format = format

    def complain(self, message: str) -> None:
        """Tell about an unusable parameter: an error when strict, a warning otherwise; raises BadRequest."""
        if self.strict:
            raise BadRequest(message)
        self.warnings = [*self.warnings, message]

    def hidden(self) -> frozenset[int]:
        """Return the group numbers that this person must not be shown here, for what they bought or saw."""
        if self.wanted.exclude_seen and self.state is not None:
            if self.seen is None:
                self.seen = self.bought.union(self.state.groups.tolist())
            return self.seen
        return self.bought if self.wanted.exclude_bought or self.wanted.exclude_seen else NOBODY

    def widen(self, wanted: Filter, why: str) -> None:
        """Show what passes a wider filter, and tell so; that is no mistake of a strict caller."""
        self.wanted, self.widened, self.warnings = wanted, True, [*self.warnings, why]

    def told(self, rung: str, result: str) -> None:
        """Note what came of a rung, for `explain`."""
        if self.explain:
            self.trail = [*(self.trail or ()), {"rung": rung, "result": result}]


Step = Callable[[Call], None]


def guarded(step: Callable[Concatenate[_Owner, Call, _Rest], None]) -> Callable[Concatenate[_Owner, Call, _Rest], None]:
    """Let a step that fails end its own call, with popular items, instead of the loop's turn that it runs in."""

    def run(owner: _Owner, call: Call, /, *rest: _Rest.args, **named: _Rest.kwargs) -> None:
        try:
            step(owner, call, *rest, **named)
        except Exception as error:
            call.fail(call, error)

    return run


def waking(future: "asyncio.Future[None]") -> Step:
    """Return the step that wakes whoever waits for a call."""

    def wake(_: Call) -> None:
        if not future.done():  # whoever waited may have gone away
            future.set_result(None)

    return wake
