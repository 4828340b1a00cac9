"""Server processes of the benchmark: started the way an operator starts them, measured through /proc, ended in order."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.commands.context import free_port

TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parents[2]


class NotStarted(Exception):
    """A server ended, or did not become ready in time."""


@dataclass(frozen=True)
class Running:
    """A server that answers: its port, the processes whose CPU counts, and the seconds from its start until it was ready."""

    port: int
    pids: tuple[int, ...]
    ready_s: float

    def cpu(self) -> float:
        """Return the seconds of CPU its processes have used (user + system)."""
        return sum(map(cpu, self.pids))


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return a figure of /proc/PID/status in MB (10^6 bytes); `VmHWM` is the peak of `VmRSS`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise KeyError(field)


def forget_peak(pid: int) -> None:
    """Let `VmHWM` of a process begin anew at what it holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def morsel(environment: Mapping[str, str], *, workers: int = 1, seconds: float = 120) -> Iterator[Running]:
    """Run `morsel serve` with its background worker; only the server processes count."""
    port = free_port()
    command = [sys.executable, "-m", "app.cli", "serve", "--workers", str(workers), "--port", str(port)]
    with _started(command, environment, port, "/readyz", seconds) as (process, ready_s):
        yield Running(port, serving(process.pid), ready_s)


@contextmanager
def uvicorn(application: str, environment: Mapping[str, str], path: str) -> Iterator[Running]:
    """Run one plain uvicorn process with httptools and uvloop."""
    port = free_port()
    flags = ["--no-access-log", "--no-proxy-headers", "--no-server-header", "--log-level", "warning", "--backlog", "4096"]
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--loop", "uvloop", "--http", "httptools", *flags]
    with _started(command, environment, port, path, 60) as (process, ready_s):
        yield Running(port, (process.pid,), ready_s)


@contextmanager
def program(command: Sequence[str], environment: Mapping[str, str], port: int, path: str) -> Iterator[Running]:
    """Run a server of another make; all processes below it count, and are ended with it."""
    with _started(command, environment, port, path, 120) as (process, ready_s):
        pids = (process.pid, *below(process.pid))
        try:
            yield Running(port, pids, ready_s)
        finally:
            # it may leave its processes behind when it ends, so they are ended first
            for pid in reversed(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def serving(parent: int) -> tuple[int, ...]:
    """Return the server processes below `morsel serve`; its background worker and Python's resource tracker are none."""
    found = tuple(pid for pid in children(parent) if "spawn_main" in _command(pid))
    if not found:
        raise NotStarted("no server process below `morsel serve`")
    return found


def children(pid: int) -> list[int]:
    """Return the direct children of a process."""
    return [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]


def below(pid: int) -> list[int]:
    """Return all processes below a process."""
    return [one for child in children(pid) for one in (child, *below(child))]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def _started(
    command: Sequence[str], environment: Mapping[str, str], port: int, path: str, seconds: float
) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        while not _answers(port, path):
            if process.poll() is not None or time.monotonic() - began > seconds:
                raise NotStarted(f"{' '.join(command)} did not become ready")
            time.sleep(0.02)
        yield process, time.monotonic() - began
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
