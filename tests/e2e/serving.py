"""A real `morsel serve` with its worker and server processes, over a test's own servers and folders."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from app.commands.context import free_port
from app.core.settings import Settings


@contextmanager
def served(settings: Settings, *, workers: int = 1, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Yield the address of a running server; it must end by itself after SIGTERM."""
    port = free_port()
    variables = {
        **os.environ,
        "MORSEL_DATABASE_URL": settings.database_url,
        "MORSEL_REDIS_URL": settings.redis_url,
        "MORSEL_DATA_DIR": str(settings.data_dir),
        "MORSEL_MODEL_DIR": str(settings.model_dir),
        "MORSEL_LOG_LEVEL": "warning",
        **(environment or {}),
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(command, env=variables)
    address = f"http://127.0.0.1:{port}"
    try:
        _await_ready(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) is not None


def _await_ready(address: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        try:
            if httpx2.get(f"{address}/readyz", timeout=2).status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise AssertionError("the server did not become ready")
