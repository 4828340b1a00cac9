"""Valkey processes of a test's own on TCP ports: single, cluster of three, master with replica under sentinels."""

import os
import signal
import subprocess
import time
from pathlib import Path

from redis import Redis

from app.commands.running import free_port
from app.core.embedded.valkey import _binary


class Process:
    """A valkey-server process on a port of its own; it may be stopped, killed, frozen and started again."""

    def __init__(self, folder: Path, *options: str, sentinel: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        plain = [] if self._sentinel else ["--save", "", "--appendonly", "no"]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), *plain, *self._options]
        if self._sentinel:
            (self.folder / "sentinel.conf").touch()
            arguments = [str(self.folder / "sentinel.conf"), "--sentinel", *arguments]
        with (self.folder / "log").open("ab") as out:
            self._process = subprocess.Popen([_binary(), *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + 15
        while not self._answers():
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        client = self.client()
        try:
            return bool(client.ping())
        except (OSError, Exception):
            return False
        finally:
            client.close()

    def client(self) -> Redis:
        """Return a blocking client of this one process."""
        return Redis(port=self.port, protocol=2, socket_timeout=2, retry=None)

    def run_id(self) -> bytes:
        """Return the id that the process drew at its start."""
        with self.client() as client:
            return str(client.info("server")["run_id"]).encode()

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(10)

    def freeze(self) -> None:
        """Stop the process where it stands; it keeps its connections and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
