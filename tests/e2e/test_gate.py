"""A server loads while its database is prepared, answers only afterwards, and not at all when it must not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from app.commands.gate import Gate, passed
from app.commands.running import free_port
from app.core.settings import Settings
from tests.e2e.serving import served

_WAIT = (
    "import sys; from app.commands.gate import passed; sys.stdout.write('waiting\\n'); sys.stdout.flush(); sys.exit(0 if passed() else 3)"
)


def waiting() -> subprocess.Popen[bytes]:
    """Start a process that stands at the gate."""
    process = subprocess.Popen([sys.executable, "-c", _WAIT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"waiting\n"
    return process


def test_processes_wait_until_the_gate_opens_and_later_ones_pass_at_once(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    first = waiting()
    time.sleep(0.3)
    assert first.poll() is None
    gate.open()
    assert first.wait(10) == 0
    assert waiting().wait(10) == 0
    assert passed()
    gate.remove()
    assert not passed()
    assert list(tmp_path.iterdir()) == []


def test_nobody_passes_a_gate_that_refuses(tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    first = waiting()
    gate.refuse()
    assert first.wait(10) == 3
    assert waiting().wait(10) == 3
    gate.remove()


def test_nobody_passes_when_the_parent_died(tmp_path: Path) -> None:
    imports = "import time; from pathlib import Path; from app.commands.gate import Gate"
    code = f"{imports}; gate = Gate(Path({str(tmp_path)!r})); print(1, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"1\n"
    (name,) = tmp_path.iterdir()
    process = subprocess.Popen([sys.executable, "-c", _WAIT], stdout=subprocess.DEVNULL, env={**os.environ, "MORSEL_GATE": str(name)})
    time.sleep(0.5)
    assert process.poll() is None
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert process.wait(10) == 3


def test_a_server_that_must_not_be_exposed_ends_with_the_reason_and_answers_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MORSEL_SECRET", raising=False)
    port = free_port()
    variables = {
        **os.environ, "MORSEL_DATABASE_URL": settings.database_url, "MORSEL_REDIS_URL": settings.redis_url,
        "MORSEL_DATA_DIR": str(settings.data_dir),
    }  # fmt: skip
    command = [sys.executable, "-m", "app.cli", "serve", "--host", "0.0.0.0", "--port", str(port)]
    process = subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)
    answered = 0
    while process.poll() is None:
        try:
            answered += httpx2.get(f"http://127.0.0.1:{port}/livez", timeout=0.2).status_code
        except httpx2.TransportError:
            time.sleep(0.02)
    assert process.stderr is not None
    said = process.stderr.read()
    assert process.returncode == 1
    assert said.startswith("error: Morsel would listen on 0.0.0.0 with a generated secret.")
    assert "Traceback" not in said
    assert answered == 0


def test_a_killed_server_process_is_replaced_by_one_that_passes(settings: Settings) -> None:
    import psutil

    with served(settings) as address:
        (parent,) = [one for one in psutil.Process().children() if "app.cli" in one.cmdline()]
        (child,) = [one for one in parent.children() if "spawn_main" in " ".join(one.cmdline())]
        child.kill()
        end = time.monotonic() + 30
        status = 0
        while status != 200 and time.monotonic() < end:
            try:
                status = httpx2.get(f"{address}/readyz", timeout=1).status_code
            except httpx2.TransportError:
                time.sleep(0.1)
        assert status == 200
    assert not list(settings.data_dir.glob("gate-*"))
