"""How commands begin: settings that nobody reads, servers that are away, ports that are taken, parents that die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.commands.context import free_port
from app.core.db import async_url
from app.core.embedded import Urls

ROOT = Path(__file__).resolve().parents[2]


def environment(folder: Path, **more: str) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("MORSEL_")}
    return {**mine, "PYTHONPATH": str(ROOT), "MORSEL_DATA_DIR": str(folder / "data"), **more}


def morsel(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.cli", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=60)


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "too late"
        time.sleep(0.1)


def test_a_setting_that_nobody_reads_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    done = morsel(tmp_path, "clients", "list", MORSEL_DATABSE_URL="postgresql://elsewhere/shop")
    assert done.returncode == 2
    assert done.stderr == "MORSEL_DATABSE_URL (environment) is no setting: did you mean MORSEL_DATABASE_URL?\n"
    (tmp_path / ".env").write_text("MORSEL_WORKER=2\n")
    done = morsel(tmp_path, "clients", "list")
    assert done.returncode == 2
    assert done.stderr == "MORSEL_WORKER (.env) is no setting: did you mean MORSEL_WORKERS?\n"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MORSEL_LOG_FORMAT", "pretty", "'json' or 'console'"),
        ("MORSEL_DATABASE_URL", "mysql://x", "the database must be PostgreSQL: postgresql://"),
        ("MORSEL_PORT", "70000", "less than or equal to 65535"),
        ("MORSEL_REDIS_URL", "memcached://x", "redis"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(tmp_path: Path, name: str, value: str, told: str) -> None:
    done = morsel(tmp_path, "serve", **{name: value})
    assert done.returncode == 2
    assert done.stderr.startswith(f"{name}: ")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["clients", "list"], ["people", "show", "u1"], ["placements", "list"], ["models", "list"], ["rebuild"], ["train"], ["migrate"]],
)
def test_a_command_without_its_database_is_one_line_and_no_traceback(tmp_path: Path, arguments: list[str]) -> None:
    url = f"postgresql://shop:secret@127.0.0.1:{free_port()}/shop"
    done = morsel(tmp_path, *arguments, MORSEL_DATABASE_URL=url, MORSEL_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert done.stderr.startswith("error: the database cannot be used (")
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = morsel(tmp_path, "clients", "list", MORSEL_DATA_DIR="/proc/morsel")
    assert done.returncode == 1
    assert done.stderr == "error: /proc/morsel: No such file or directory\n"


def test_the_version_is_told(tmp_path: Path) -> None:
    assert morsel(tmp_path, "--version").stdout.startswith("morsel 0.")


@pytest.fixture
async def late(servers: Urls) -> str:
    """An address of a database that does not exist yet."""
    return servers.database_url.replace("/morsel?", f"/late{os.urandom(4).hex()}?")


async def create(servers: Urls, url: str) -> None:
    engine = create_async_engine(async_url(servers.database_url), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"create database {url.split('?')[0].rsplit('/', 1)[1]}"))
    await engine.dispose()


def serving(folder: Path, port: int, url: str, redis_url: str) -> "subprocess.Popen[str]":
    """Start a server whose output is the file `out`."""
    variables = environment(folder, MORSEL_DATABASE_URL=url, MORSEL_REDIS_URL=redis_url)
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    with (folder / "out").open("a") as out:
        return subprocess.Popen(command, cwd=folder, env=variables, stdout=out, stderr=out, text=True)


def answers(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/readyz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


async def test_a_first_start_before_its_database_prepares_it_once_it_comes(servers: Urls, late: str, tmp_path: Path) -> None:
    port = free_port()
    process = serving(tmp_path, port, late, servers.redis_url)
    try:
        until(lambda: "serve.database_down" in (tmp_path / "out").read_text())
        assert "does not exist" in (tmp_path / "out").read_text(), "the reason is told"
        assert not answers(f"http://127.0.0.1:{port}")
        await create(servers, late)
        until(lambda: answers(f"http://127.0.0.1:{port}"))
        until(lambda: "worker.leading" in (tmp_path / "out").read_text())
        told = (tmp_path / "out").read_text()
        assert told.count("serve.database_down") == 1, "one reason is told once"
        assert f"http://127.0.0.1:{port}" in told, "the summary names the address"
        assert "unknown, the database is away" in told
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def test_a_killed_parent_takes_its_children_along_and_a_restart_gets_the_port(
    database_url: str, servers: Urls, tmp_path: Path
) -> None:
    port = free_port()
    first = serving(tmp_path, port, database_url, servers.redis_url)
    until(lambda: answers(f"http://127.0.0.1:{port}"))
    children = psutil.Process(first.pid).children(recursive=True)
    assert len(children) >= 2, "a server process and the worker"
    first.kill()
    first.wait()
    second = serving(tmp_path, port, database_url, servers.redis_url)
    try:
        _, left = psutil.wait_procs([child for child in children if child.is_running()], timeout=20)
        assert left == []
        until(lambda: answers(f"http://127.0.0.1:{port}"))
        done = morsel(tmp_path, "serve", "--port", str(port), MORSEL_DATABASE_URL=database_url, MORSEL_REDIS_URL=servers.redis_url)
        assert done.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port} (Address already in use)" in done.stderr
        assert answers(f"http://127.0.0.1:{port}"), "the one that has it goes on"
    finally:
        second.send_signal(signal.SIGTERM)
        second.wait(30)
