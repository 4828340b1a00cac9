"""Valkey processes of a test's own on TCP ports: single, cluster of three, master with replica under sentinels."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from app.commands.context import free_port
from app.core.embedded.valkey import _binary
from app.core.redis_slots import Ranges, newest, node_marker, read_view, slot_of, trusted_value


class Process:
    """A valkey-server process on a port of its own; it may be stopped, killed, frozen and started again."""

    def __init__(self, folder: Path, *options: str, sentinel: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self._options = options
        self._sentinel = sentinel
        self.bus_port = int(options[options.index("--cluster-port") + 1]) if "--cluster-port" in options else 0
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
        except (OSError, RedisError):
            return False
        finally:
            client.close()

    @property
    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def client(self) -> Redis:
        """Return a blocking client of this one process; a Sentinel may close its connections now and then."""
        return Redis(port=self.port, protocol=2, socket_timeout=2, retry=Retry(ConstantBackoff(0.02), 4))

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


class Cluster:
    """A Redis Cluster of masters, each with an equal share of the slots."""

    def __init__(self, folder: Path, masters: int = 3, *, replicas: int = 0) -> None:
        self.masters = [self._member(folder / f"m{number}") for number in range(masters)]
        self.replicas = [self._member(folder / f"r{number}") for number in range(replicas)]

    def _member(self, folder: Path) -> Process:
        return Process(
            folder, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "1000",
            "--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0",
            "--repl-diskless-sync-delay", "0",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The URL that names every master."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{master.port}" for master in self.masters)

    def start(self) -> None:
        """Start all, give out the slots, and wait until everybody agrees."""
        for process in [*self.masters, *self.replicas]:
            process.start()
        share = 16_384 // len(self.masters)
        first, *others = [*self.masters, *self.replicas]
        for number, master in enumerate(self.masters):
            last = 16_383 if number == len(self.masters) - 1 else share * (number + 1) - 1
            tell(master, "CLUSTER", "ADDSLOTSRANGE", share * number, last)
            tell(master, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for other in others:
            tell(other, "CLUSTER", "MEET", "127.0.0.1", first.port, first.bus_port)
        everybody = len(self.masters) + len(self.replicas)
        for process in [*self.masters, *self.replicas]:
            within(lambda process=process: f"cluster_known_nodes:{everybody}" in info(process) and "cluster_state:ok" in info(process))
        for master, replica in zip(self.masters, self.replicas, strict=False):
            tell(replica, "CLUSTER", "REPLICATE", tell(master, "CLUSTER", "MYID"))
        for replica in self.replicas:
            within(lambda replica=replica: b"master_link_status:up" in tell(replica, "INFO", "replication"))

    def kill(self) -> None:
        """End all."""
        for process in [*self.masters, *self.replicas]:
            process.kill()

    def ranges(self) -> dict[int, Ranges]:
        """Return the slots of each master by its port, as the newest member sees them."""
        living = [process for process in [*self.masters, *self.replicas] if process.alive]
        views = [read_view(tell(p, "CLUSTER", "INFO"), tell(p, "CLUSTER", "SLOTS"), ("127.0.0.1", p.port)) for p in living]
        view = newest(view for view in views if view is not None)
        assert view is not None
        return {port: ranges for (_, port), ranges in view.owners.items()}

    def trust(self, *tenants: int) -> None:
        """Mark every living master as whole, as a worker would."""
        ranges = self.ranges()
        for process in [*self.masters, *self.replicas]:
            if process.alive and process.port in ranges:
                own = ranges[process.port]
                for tenant in tenants:
                    tell(process, "SET", node_marker(tenant, own), trusted_value(process.run_id().decode(), own))

    def move(self, key: str, source: Process, target: Process) -> None:
        """Move the slot of a key, with the key, from one master to another."""
        slot, here, there = slot_of(key), tell(source, "CLUSTER", "MYID"), tell(target, "CLUSTER", "MYID")
        tell(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", here)
        tell(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", there)
        tell(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        for process in (target, source, *self.masters):
            tell(process, "CLUSTER", "SETSLOT", slot, "NODE", there)

    def holder(self, key: str) -> Process:
        """Return the master that was given the slot of a key."""
        share = 16_384 // len(self.masters)
        return self.masters[min(slot_of(key) // share, len(self.masters) - 1)]


class Watched:
    """A master, a replica, and a Sentinel that makes the replica the master when the master dies."""

    name = "shop"

    def __init__(self, folder: Path) -> None:
        self.master = Process(folder / "master", "--repl-diskless-sync-delay", "0")
        self.replica = Process(folder / "replica", "--repl-diskless-sync-delay", "0")
        self.sentinel = Process(folder / "sentinel", sentinel=True)

    @property
    def url(self) -> str:
        """The URL that names the Sentinel and the service."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{self.name}"

    def start(self) -> None:
        """Start all three and wait until the Sentinel knows the replica."""
        for process in (self.master, self.replica, self.sentinel):
            process.start()
        tell(self.replica, "REPLICAOF", "127.0.0.1", self.master.port)
        within(lambda: b"master_link_status:up" in tell(self.replica, "INFO", "replication"))
        tell(self.sentinel, "SENTINEL", "MONITOR", self.name, "127.0.0.1", self.master.port, 1)
        tell(self.sentinel, "SENTINEL", "SET", self.name, "down-after-milliseconds", 500)
        within(lambda: len(tell(self.sentinel, "SENTINEL", "REPLICAS", self.name)) == 1)

    def fail_over(self) -> None:
        """Make the replica the master while the old master lives on."""
        within(self._fails_over)
        within(lambda: self.is_master(self.replica))

    def _fails_over(self) -> bool:
        try:
            return bool(tell(self.sentinel, "SENTINEL", "FAILOVER", self.name))
        except RedisError:  # the Sentinel has not seen the replica well yet
            return False

    def is_master(self, process: Process) -> bool:
        """Tell whether a process takes writes."""
        return b"role:master" in tell(process, "INFO", "replication")

    def kill(self) -> None:
        """End all three."""
        for process in (self.sentinel, self.replica, self.master):
            process.kill()


def within(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def info(process: Process) -> str:
    """Return what a member says of its cluster."""
    return str(tell(process, "CLUSTER", "INFO"), "ascii")


def tell(process: Process, *command: Any) -> Any:
    """Send one command and return the reply as it came."""
    with process.client() as client:
        client.response_callbacks.clear()
        return client.execute_command(*command)
