"""Where the dashboard beside a server listens."""

import socket

import pytest

from app.commands.context import free_port
from app.commands.run.dashboard import address, chosen
from app.core.settings import Settings


def test_the_next_port_is_left_to_a_second_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORSEL_DASHBOARD_PORT", "0")
    with chosen(Settings(port=8000, dashboard=True)) as where:
        assert not where.endswith(":8001")


def test_a_port_that_is_taken_is_not_insisted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORSEL_DASHBOARD_PORT", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        number = taken.getsockname()[1]
        with chosen(Settings(port=number - 1000, dashboard=True)) as where:
            assert where
            assert not where.endswith(f":{number}")


def test_a_server_may_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with chosen(Settings(dashboard=False)) as where:
        assert where == ""


def test_people_are_told_the_address_that_a_proxy_has() -> None:
    assert address(Settings(dashboard_url="https://board.shop.example/"), free_port()) == "https://board.shop.example"
