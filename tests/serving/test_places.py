"""A call, followed as data from `begin` to its body, stops at few places: whoever reads the fast path can hold it in mind."""

import sys
from types import FrameType
from typing import Any

import pytest

from app.serving.model.call import Call
from app.serving.path.pipeline import Pipeline
from tests.serving.shop import Shop

MOST = 20


class Trail:
    """The places at which a call stops: functions that are handed it, or what stands for it, and fill it or hand it on.

    What only answers a question about a call is no place of its own.
    """

    def __init__(self) -> None:
        self.places: list[str] = []
        self._open: list[tuple[FrameType, list[Any], bool]] = []
        self.call: Call | None = None

    def look(self, frame: FrameType, event: str, arg: Any) -> None:
        """Follow the calls and returns of functions, until the body is there."""
        if self.call is None:
            return
        if self.call.body is not None and event == "call":
            self.stop()
            return
        if event == "call" and self._carries(frame):
            self._open = [(one, held, True) for one, held, _ in self._open]
            self._open.append((frame, self._held(), False))
        elif event == "return" and self._open and self._open[-1][0] is frame:
            _, held, handed = self._open.pop()
            if handed or held != self._held():
                self.note(frame)

    def note(self, frame: FrameType) -> None:
        """Note a place, once."""
        place = f"{frame.f_code.co_filename.partition('/app/serving/')[2]}:{frame.f_code.co_name}"
        # what guards a step is part of it
        if place not in self.places and place != "model/call.py:run":
            self.places.append(place)

    def stop(self) -> None:
        """Note what is still running: it handed the call on."""
        for frame, _, _ in self._open:
            self.note(frame)
        self.call, self._open = None, []

    def _carries(self, frame: FrameType) -> bool:
        code = frame.f_code
        if "/app/serving/" not in code.co_filename or code.co_name == "__init__":
            return False
        given = [frame.f_locals.get(name) for name in code.co_varnames[: code.co_argcount]]
        return any(one is self.call or getattr(one, "call", None) is self.call for one in given)

    def _held(self) -> list[Any]:
        outcome = getattr(self.call, "outcome", None)
        return [*vars(self.call).items(), *(vars(outcome).items() if outcome is not None else ())]


async def test_from_begin_to_the_body_a_call_stops_at_fewer_than_twenty_places(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async def cached() -> bool:
        return bool((await shop.get(placement="email-grid", user_id="u1")).json()["source"] == "cached")

    assert await shop.until(cached)
    begin, trail = Pipeline.begin, Trail()

    def begun(pipeline: Pipeline, call: Call) -> None:
        done = call.done

        def ended(call: Call) -> None:
            trail.stop()
            done(call)

        call.done, trail.call = ended, call
        begin(pipeline, call)

    monkeypatch.setattr(Pipeline, "begin", begun)
    for params in ({"user_id": "u1"}, {"user_id": "u1", "format": "html"}, {}):
        trail.places.clear()
        sys.setprofile(trail.look)
        try:
            answer = await shop.get(placement="email-grid", **params)
        finally:
            sys.setprofile(None)
        assert answer.status_code == 200
        assert "path/pipeline.py:begin" in trail.places
        assert len(trail.places) < MOST, trail.places
