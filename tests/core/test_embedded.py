"""The embedded servers: one owner, found again after a crash, nothing outside their folder touched."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.core.db import Database
from app.core.embedded import Services, services
from app.core.embedded.process import CannotStart, is_running
from app.core.redis import connect
from app.core.settings import Settings

OWNER = """
import sys, time
from pathlib import Path
from app.core.embedded import services
from app.core.settings import Settings
with services(Settings(data_dir=Path(sys.argv[1]))) as urls:
    print("ready", flush=True)
    time.sleep(120)
"""


async def works(database_url: str, redis_url: str) -> bool:
    db, cache = Database(database_url), connect(redis_url, timeout_ms=2000)
    try:
        return (await db.rows("select 1"))[0][0] == 1 and bool(await cache.ping())
    finally:
        await db.close()
        await cache.aclose()


def test_both_servers_start_and_stop_and_no_other_folder_changes_its_mode(tmp_path: Path) -> None:
    outer = tmp_path / "private"
    outer.mkdir(mode=0o700)
    data = outer / "data"
    with services(Settings(data_dir=data)) as urls:
        assert asyncio.run(works(urls.database_url, urls.redis_url))
        found = Services(data, postgres=True, valkey=True)
        pids = [server.pid() for server in found.servers]
        assert all(pids)
    assert stat.S_IMODE(outer.stat().st_mode) == 0o700
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert not any(is_running(pid, str(data)) for pid in pids if pid)


def test_a_second_process_uses_the_servers_of_the_first(tmp_path: Path) -> None:
    with services(Settings(data_dir=tmp_path / "d")) as first, services(Settings(data_dir=tmp_path / "d")) as second:
        assert first == second
        assert asyncio.run(works(second.database_url, second.redis_url))


def test_servers_of_a_killed_owner_are_found_again_and_stopped_in_the_end(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path / "d")], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    before = [server.pid() for server in Services(tmp_path / "d", postgres=True, valkey=True).servers]
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    with services(Settings(data_dir=tmp_path / "d")) as urls:
        assert asyncio.run(works(urls.database_url, urls.redis_url))
        assert [server.pid() for server in Services(tmp_path / "d", postgres=True, valkey=True).servers] == before
    assert [server.pid() for server in Services(tmp_path / "d", postgres=True, valkey=True).servers] == [None, None]


@pytest.mark.parametrize("which", [0, 1])
def test_a_server_that_dies_is_started_again(tmp_path: Path, which: int) -> None:
    with services(Settings(data_dir=tmp_path / "d")) as urls:
        server = Services(tmp_path / "d", postgres=True, valkey=True).servers[which]
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 20
        while (server.pid() in (None, pid)) and time.monotonic() < end:
            time.sleep(0.1)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                assert asyncio.run(works(urls.database_url, urls.redis_url))
                return
            except Exception:
                time.sleep(0.2)
        raise AssertionError("it did not come back")


def test_a_stale_lock_that_names_a_stranger_does_not_hinder_the_start(tmp_path: Path) -> None:
    with services(Settings(data_dir=tmp_path / "d")):
        pass
    stale = tmp_path / "d" / "postgresql" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{tmp_path}\n0\n5432\n\n\n\nready\n")
    with services(Settings(data_dir=tmp_path / "d")) as urls:
        assert asyncio.run(works(urls.database_url, urls.redis_url))


def test_a_deep_data_folder_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    with services(Settings(data_dir=deep)) as urls:
        assert asyncio.run(works(urls.database_url, urls.redis_url))


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d" / "run").mkdir(mode=0o777)
    (tmp_path / "d" / "run").chmod(0o777)
    with pytest.raises(CannotStart, match="0700"), services(Settings(data_dir=tmp_path / "d")):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_it_works_without_rights_too(tmp_path: Path) -> None:
    import pwd
    import shutil
    import tempfile

    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="morsel-nobody-") as home:
        os.chown(home, user.pw_uid, user.pw_gid)
        setpriv = shutil.which("setpriv")
        assert setpriv is not None
        # the capability only lets this user read the interpreter where the tests run from a private folder
        keep = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *keep]
        code = OWNER.replace("time.sleep(120)", "print('done', flush=True)")
        done = subprocess.run(
            [setpriv, *ids, sys.executable, "-B", "-c", code, f"{home}/data"], cwd=Path(__file__).parents[2], capture_output=True, text=True
        )
        assert done.stdout == "ready\ndone\n", done.stderr
