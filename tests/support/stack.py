"""SHELL (processes, Kafka, registry, Cassandra). The real stack that tests share, and a corner of it for each module."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from deploy.cli import subjects, targets, topics
from deploy.local import artifacts
from deploy.local.servers import DEFAULT_PORTS
from deploy.local.stack import Stack
from schemas import timeframes
from schemas.registry import Registry

E2E = ("E2E_KAFKA", "E2E_REGISTRY", "E2E_CASSANDRA")
CONTAINERS = "testcontainers"
"""The value of E2E_STACK with which the servers are containers of their own; else they are processes of their own."""
_counter = itertools.count()


class Power(Protocol):
    """Servers that are this session's own, to be harmed. Names: kafka, registry, cassandra."""

    def kill(self, name: str) -> None:
        """Kill the server at once (SIGKILL); its data stay."""

    def freeze(self, name: str) -> None:
        """Let the server stand still."""

    def thaw(self, name: str) -> None:
        """Let a frozen server go on; one that is not frozen is left alone."""

    def up(self, name: str) -> None:
        """Start a server that was killed, and return when it answers."""


class Processes:
    """The power switch of servers that are processes."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def kill(self, name: str) -> None:
        """Send SIGKILL."""
        self._signal(name, signal.SIGKILL)

    def freeze(self, name: str) -> None:
        """Send SIGSTOP."""
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Send SIGCONT."""
        self._signal(name, signal.SIGCONT)

    def up(self, name: str) -> None:
        """Bring up what is down."""
        self._stack.up()

    def _signal(self, name: str, number: int) -> None:
        os.kill(self._stack.running()[name].pid, number)


@dataclass(frozen=True)
class Servers:
    """Addresses of real servers: ``host:port`` of Kafka and Cassandra, the registry's URL; and their switch, if they are ours."""

    kafka: str
    registry: str
    cassandra: str
    power: Power | None = None

    def targets(self) -> targets.Targets:
        """Return the addresses as the command line takes them."""
        return targets.Targets(self.kafka, self.registry, self.cassandra)


@dataclass(frozen=True)
class Space:
    """A corner of the stack that nobody else uses: topics, subjects and tables of its own; ``env`` leads services to it."""

    prefix: str
    keyspace: str
    env: dict[str, str]
    kafka: str
    registry: str
    cassandra: str


def candlewick(*arguments: str) -> list[str]:
    """Return the command line of `candlewick`, as installed beside this Python."""
    return [str(Path(sys.executable).parent / "candlewick"), *arguments]


def origin() -> str:
    """Return, for people, where the stack comes from."""
    named = [name for name in E2E if os.environ.get(name)]
    if named and len(named) < len(E2E):
        raise RuntimeError(f"{', '.join(E2E)} belong together; only {', '.join(named)} is set")
    if named:
        return f"running servers: {', '.join(os.environ[name] for name in E2E)}"
    if os.environ.get("E2E_STACK") == CONTAINERS:
        return "own containers, by testcontainers, on free ports of loopback"
    return f"own servers on free ports of loopback, files in {targets.artifacts_folder()}"


def download(say: Callable[[str], None] = lambda _: None) -> None:
    """Fetch the servers' files if the stack will be ours and they are missing, so that no test's time limit includes it."""
    folder = targets.artifacts_folder()
    if os.environ.get(E2E[0]) or os.environ.get("E2E_STACK") == CONTAINERS:
        return
    with artifacts.exclusively(folder):
        if todo := artifacts.missing(folder):
            say(f"downloading the servers, {sum(todo.values()) / 1e6:.0f} MB, once")
            artifacts.install(folder, lambda _server, _bytes: None)


@contextmanager
def running_stack() -> Iterator[Servers]:
    """Yield servers: those named in E2E_*, else own ones on free ports, gone afterwards with their data."""
    if os.environ.get(E2E[0]):
        yield Servers(os.environ[E2E[0]], os.environ[E2E[1]], os.environ[E2E[2]])
        return
    if os.environ.get("E2E_STACK") == CONTAINERS:
        from tests.support.containers import running_containers

        with running_containers() as made:
            yield Servers(made.kafka, made.registry, made.cassandra, made)
        return
    homes = targets.artifacts_folder().parent / "tests"
    _sweep(homes)
    stack = Stack(homes / str(os.getpid()), targets.artifacts_folder(), dict.fromkeys(DEFAULT_PORTS, 0))
    try:
        found = stack.up()
        yield Servers(found.kafka, found.registry, found.cassandra, Processes(stack))
    finally:
        stack.down()
        shutil.rmtree(stack.home, ignore_errors=True)


@contextmanager
def space_in(servers: Servers, settings: Mapping[str, str]) -> Iterator[Space]:
    """Yield a new corner, removed afterwards. Of `settings`, TIMEFRAMES, PARTITIONS, REPLICATION and RETENTION_* shape it."""
    from deploy.cassandra.connect import connected
    from deploy.cassandra.schema import apply_schema
    from sink import retention

    name = f"t{os.getpid()}x{next(_counter)}"
    frames = timeframes.parse_list(settings.get("CANDLEWICK_TIMEFRAMES", timeframes.DEFAULT))
    partitions, copies = (int(settings.get(f"CANDLEWICK_{n}", d)) for n, d in (("PARTITIONS", "4"), ("REPLICATION", "1")))
    wanted = topics.wanted_topics(name, frames, partitions, copies)
    env = servers.targets().env()
    env |= {"CANDLEWICK_TOPIC_PREFIX": name, "CANDLEWICK_KEYSPACE": name, "CANDLEWICK_METRICS_PORT": "0", **settings}
    with connected(servers.cassandra) as session:
        topics.apply(servers.kafka, wanted)
        subjects.apply(Registry(servers.registry), name, frames)
        apply_schema(session, name, frames, 1, retention.from_environment(settings))
        yield Space(name, name, env, servers.kafka, servers.registry, servers.cassandra)
        topics.delete(servers.kafka, [t.topic for t in wanted])
        session.execute(f"DROP KEYSPACE {name}", timeout=60)


def _sweep(homes: Path) -> None:
    # A test run that was killed leaves servers behind; the folder is named after its process.
    for home in homes.glob("*"):
        if home.name.isdigit() and not psutil.pid_exists(int(home.name)):
            Stack(home, targets.artifacts_folder()).down()
            shutil.rmtree(home, ignore_errors=True)
