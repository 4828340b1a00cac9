"""Starts the real `morsel demo` in a folder of its own and stops it as Ctrl-C does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.commands.context import free_port


@dataclass
class Started:
    """A demo that is ready: what it wrote, what it printed, its folder, and the seconds it took."""

    ready: dict[str, Any]
    folder: Path
    process: subprocess.Popen[str]
    seconds: float

    def printed(self) -> str:
        """Return what it printed so far."""
        return (self.folder / "out.txt").read_text()


@contextmanager
def started(folder: Path, *, scale: str, seconds: float = 120) -> Iterator[Started]:
    """Run the demo until the block ends; it must end by itself."""
    port = free_port()
    mine = {name: value for name, value in os.environ.items() if not name.startswith("MORSEL_")}
    variables = {**mine, "PORT": str(port), "MORSEL_DEMO_SCALE": scale, "MORSEL_MODEL_DIR": str(folder / "models")}
    began = time.monotonic()
    with (folder / "out.txt").open("w") as out:
        command = [sys.executable, "-m", "app.cli", "demo"]
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=out, stderr=subprocess.STDOUT, text=True)
    path = folder / ".morsel" / "demo.json"
    try:
        while not path.exists():
            assert process.poll() is None, (folder / "out.txt").read_text()
            assert time.monotonic() - began < seconds, (folder / "out.txt").read_text()
            time.sleep(0.05)
        took = time.monotonic() - began
        yield Started(json.loads(path.read_text()), folder, process, took)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not path.exists()
