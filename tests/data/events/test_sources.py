"""Every source of events keeps one contract, and another one is a file and a line."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.events.domain import Arrival, Event, Refused, message_key
from app.data.events.door import EventsDoor
from app.data.events.formats.mapping import Mapping
from app.data.events.sources import listed
from app.data.events.sources.base import Source
from app.data.events.sources.files import import_events
from app.data.imports.report import Report
from app.data.kinds import Kind
from app.main import create_app
from tests.contracts.source import Lost, Replay, Send, SourceContract, Told, stored


def posting(http: httpx.AsyncClient, path: str, body: Callable[[Sequence[Any]], Any]) -> Send:
    async def send(sent: Sequence[Any]) -> Told:
        answer = await http.post(path, json=body(sent))
        if answer.status_code == 503:
            raise Lost
        told = answer.json()
        assert answer.status_code == 200, told
        return Told(told["accepted"], told["duplicates"], [(one["index"], one["reason"]) for one in told["refused"]])

    return send


def replaying(http: httpx.AsyncClient, changes: dict[str, Any]) -> Replay:
    async def replay(mended: Sequence[Any]) -> None:
        answer = await http.post("/v1/admin/refused-events/replay", json={"changes": changes})
        assert answer.status_code == 200, answer.text
        assert answer.json()["still_refused"] == 0

    return replay


class TestTracking(SourceContract):
    def good(self, number: int) -> Any:
        return {"type": "track", "event": "Product Viewed", "userId": "ann", "messageId": f"m{number}", "properties": {"product_id": "a"}}

    def bad(self) -> Any:
        return {**self.good(9), "timestamp": "yesterday"}

    def mended(self) -> Any:
        return {**self.good(9), "timestamp": "2026-05-01"}

    @pytest.fixture
    async def send(self, http: httpx.AsyncClient, catalogue: dict[str, int]) -> Send:
        return posting(http, "/v1/batch", lambda sent: {"batch": list(sent)})

    @pytest.fixture
    async def replay(self, http: httpx.AsyncClient) -> Replay:
        return replaying(http, {"timestamp": "2026-05-01"})


class TestFiles(SourceContract):
    twice_in_one = 2

    def good(self, number: int) -> Any:
        return f"ann,a,2026-05-01 12:{number:02}\n"

    def bad(self) -> Any:
        return "ann,a,yesterday\n"

    def mended(self) -> Any:
        return self.good(9)

    @pytest.fixture
    async def send(self, db: Database, settings: Settings, tmp_path: Path, catalogue: dict[str, int]) -> Send:
        columns = {"user_id": "user", "item_id": "item", "occurred_at": "at"}
        mapping = Mapping.model_validate({"columns": columns, "constants": {"kind": "view"}})
        path = tmp_path / "events.csv"

        async def send(sent: Sequence[Any]) -> Told:
            path.write_text("user,item,at\n" + "".join(sent))
            try:
                report: Report = await import_events(db, settings, 1, "shop", [path], mapping)
            except Exception as error:
                raise Lost from error
            return Told(report.landed, report.duplicate, [(one.line - 2, one.reason) for one in report.examples])

        return send

    @pytest.fixture
    async def replay(self, send: Send) -> Replay:
        async def replay(mended: Sequence[Any]) -> None:
            await send(mended)

        return replay


def read_toy(raw: Any, how: Arrival) -> list[Event]:
    """Read `{"who": ..., "saw": ..., "no": ...}`."""
    if not isinstance(raw, dict) or not raw.get("who"):
        raise Refused("who is missing")
    message = message_key(str(raw.get("no") or how.spare_id), public=how.anonymous_only)
    return [Event(how.received, message, ((1, str(raw["who"])),), Kind.VIEW, "saw", raw.get("saw"))]


TOY = Source("toy", read_toy, calls={"/v1/toy": "toy"})


class TestToy(SourceContract):
    @pytest.fixture(autouse=True)
    def with_toy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listed, "EVENT_SOURCES", (*listed.EVENT_SOURCES, TOY))

    def good(self, number: int) -> Any:
        return {"who": "ann", "saw": "a", "no": number}

    def bad(self) -> Any:
        return {"saw": "a"}

    def mended(self) -> Any:
        return {"saw": "a", "who": "bob"}

    @pytest.fixture
    async def send(self, http: httpx.AsyncClient, catalogue: dict[str, int]) -> Send:
        return posting(http, "/v1/toy", list)

    @pytest.fixture
    async def replay(self, http: httpx.AsyncClient) -> Replay:
        return replaying(http, {"who": "bob"})

    async def test_it_comes_by_the_short_way_too_and_a_single_bad_one_is_an_error_that_is_kept(
        self, http: httpx.AsyncClient, db: Database, catalogue: dict[str, int]
    ) -> None:
        app = http._transport.app  # type: ignore[attr-defined]
        door = EventsDoor(app)

        async def front(scope: Any, receive: Any, send: Any) -> None:
            await door({**scope, "app": app}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://morsel.test", headers=http.headers) as short:
            assert (await short.post("/v1/toy", json=self.good(1))).json()["accepted"] == 1
            wrong = await short.post("/v1/toy", json=self.bad())
            assert (wrong.status_code, wrong.json()["detail"]) == (400, "The event was not stored: who is missing.")
            assert (await short.post("/v1/toy", content=b"7")).status_code == 400
        kept = (await http.get("/v1/admin/refused-events")).json()["refused"]
        assert {(one["source"], one["call"], one["whole_body"]) for one in kept} == {("toy", "toy", False), ("toy", "toy", True)}
        assert await stored(db) == 1

    async def test_what_is_refused_outlives_its_source(self, send: Send, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
        await send([self.bad(), self.bad()])
        monkeypatch.setattr(listed, "EVENT_SOURCES", listed.EVENT_SOURCES[:-1])
        told = (await http.post("/v1/admin/refused-events/replay", json={})).json()
        assert "there is no such source" in told["refused"][0]["reason"]
        monkeypatch.setattr(listed, "EVENT_SOURCES", (*listed.EVENT_SOURCES, TOY))
        assert (await http.post("/v1/admin/refused-events/replay", json={"changes": {"who": "bob"}})).json()["replayed"] == 1

    def test_it_has_a_documented_route(self, settings: Settings) -> None:
        assert "/v1/toy" in create_app(settings).openapi()["paths"]


def test_two_sources_cannot_want_one_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed, "EVENT_SOURCES", (*listed.EVENT_SOURCES, Source("other", read_toy, calls={"/v1/track": "x"})))
    with pytest.raises(ValueError, match="/v1/track is a route of tracking and of other"):
        listed.calls()
