"""The fast path: place, look up, climb the ladder, pin, write, record. No step waits; what must wait continues the call later."""

import time
from functools import partial

from app.core import ids, telemetry
from app.core.errors import Problem
from app.core.logging import log
from app.core.settings import Settings
from app.serving.model.call import Call, guarded
from app.serving.model.outcome import Reason
from app.serving.path.ladder import Ladder, lowest
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.place import place, place_lowest
from app.serving.path.repeats import Finished
from app.serving.path.rules import turning
from app.serving.record import serves as record
from app.serving.render import answer
from app.serving.render.writer import Writer

# More calls at once than a process can answer in time: the rest get popular items, which read nothing.
MOST_AT_ONCE = 2_000


class Pipeline:
    """Answers calls; one method a step, each step names the next. `call.done` follows in this turn of the loop or a later one."""

    def __init__(self, settings: Settings, people: People, ladder: Ladder, pinning: Pinning, writer: Writer, serves: record.Buffer) -> None:
        self._settings, self._people, self._ladder = settings, people, ladder
        self._pinning, self._writer, self._serves = pinning, writer, serves
        self._finished, self._at_once = Finished(), 0

    def begin(self, call: Call) -> None:
        """Start a call that has its snapshot; the answer comes before the placement's deadline."""
        call.fail = self.failed
        self._at_once += 1
        if self._at_once > MOST_AT_ONCE:
            call.closed = call.closed or Reason.OVERLOAD
        self._place(call)

    @guarded
    def _place(self, call: Call) -> None:
        place(call, self._settings)
        if call.closed:
            self._choose(call)
        else:
            self._people.find(call, self._choose)

    def _choose(self, call: Call) -> None:
        call.found = time.perf_counter()
        if call.pinned is not None and self._finished.find(call):
            call.chosen = call.found
            self._finish(call)
        elif call.pin_key and (outcome := self._pinning.earlier(call)) is not None:
            call.outcome = outcome
            self._write(call)
        elif call.program is not None and call.program.late and turning.turned(call):
            self._people.listed(call, self._climb)
        else:
            self._climb(call)

    def _climb(self, call: Call) -> None:
        self._ladder.climb(call, partial(self._pinning.pin, then=self._write) if call.pin_key and not call.head else self._write)

    def _write(self, call: Call) -> None:
        call.outcome.recommendation_id = call.outcome.recommendation_id or ids.recommendation_id()
        self._writer.write(call)
        if call.shown_key:
            self._people.showed(call)
        if call.pinned is not None:
            self._finished.keep(call)
        self._finish(call)

    def _finish(self, call: Call) -> None:
        """Give the answer, then record it."""
        call.written = time.perf_counter()
        self._at_once -= 1
        call.done(call)
        telemetry.served(call.placed.name, call.outcome.rung.name, call.outcome.reason, call.written - call.started)
        if not call.head:
            self._serves.add(record.serve_record(call))
        call.ruled = None  # it holds the call, which only the collector would find then

    def failed(self, call: Call, error: Exception) -> None:
        """End a call whose step failed: a problem is told, anything else gives popular items, which can always be shown."""
        if call.body is not None or call.problem is not None:
            log.error("serving.fault_after_answer", error=type(error).__name__, exc_info=error)
            return
        self._at_once -= 1
        if isinstance(error, Problem):
            call.problem = error
        else:
            log.error("serving.fault", error=type(error).__name__, exc_info=error)
            place_lowest(call)
            call.outcome = lowest(call, Reason.MODEL_ERROR)
            call.outcome.recommendation_id = ids.recommendation_id()
            call.body = answer.body(call, "")
            call.found = call.chosen = call.written = time.perf_counter()
        call.done(call)
