"""SHELL (processes). Keeps a list of services running: starts them, starts them again when they end, stops them in order.

Generic: a service is a name, an argument list and an environment. What is known of each is also in ``<home>/services``, so that
other commands can show it, and stop what a killed supervisor left behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Condition, Thread

from deploy.local import processes
from deploy.local.processes import Process

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 30.0  # our choice; doubled each time
HEALTHY_S = 60.0  # our choice: a service that lived this long begins again with the first delay
STOP_S = 25.0  # longer than a service needs to drain
BAD_SETTINGS = 2
"""Exit status of a service whose settings are wrong: starting it again would change nothing."""


@dataclass(frozen=True)
class Service:
    """What to run. Services are stopped in the order in which they are listed."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """For people: what it listens on."""
    once: bool = False
    """A job: exit status 0 means that it is done."""


@dataclass(frozen=True)
class Status:
    """What is known of a service. ``state``: starting, running, waiting (to be started again), refused, finished, stopped."""

    name: str
    state: str = "starting"
    restarts: int = 0
    exit_status: int | None = None
    """Of the run before; negative: ended by that signal."""
    delay_s: float = 0.0
    process: Process | None = None


ENDED = ("refused", "finished", "stopped")


class Supervisor:
    """Runs services until `stop`. Use as a context manager, or call `start` and `stop`."""

    def __init__(
        self, home: Path, services: Sequence[Service], told: Callable[[Status], None] = lambda _: None, stop_s: float = STOP_S
    ) -> None:
        self._home = home
        self._services = tuple(services)
        self._told = told
        self._stop_s = stop_s
        self._changed = Condition()
        self._stopping = False
        self._status = {s.name: Status(s.name) for s in services}
        self._threads = [Thread(target=self._keep, args=(s,), name=f"keep-{s.name}", daemon=True) for s in services]

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every service."""
        for old in _folder(self._home).glob("*.json"):
            old.unlink(missing_ok=True)
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        """Stop the services one after the other, in the order given; returns those that had to be killed."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        killed = []
        for service, thread in zip(self._services, self._threads, strict=True):
            process = self._status[service.name].process
            if process is not None:
                killed += processes.stop([process], self._stop_s)
            if thread.ident is not None:
                thread.join()
        return killed

    def statuses(self) -> list[Status]:
        """Return what is known of each service now."""
        with self._changed:
            return list(self._status.values())

    def wait(self, until: Callable[[list[Status]], bool], timeout_s: float | None = None) -> bool:
        """Wait for a change after which `until` holds; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: until(list(self._status.values())), timeout_s)

    def _keep(self, service: Service) -> None:
        delay_s = BACKOFF_FIRST_S
        log = self._home / "logs" / f"{service.name}.log"
        while True:
            with self._changed:
                if self._is_stopping():
                    break
                env = {**os.environ, **service.env}
                process, child = processes.start(service.name, service.argv, log, env, service.ports)
                self._set(service, state="running", process=process, delay_s=0.0)
            began = time.monotonic()
            code = child.wait()
            with self._changed:
                if self._is_stopping():
                    break
                if code == BAD_SETTINGS or (code == 0 and service.once):
                    self._set(service, state="finished" if code == 0 else "refused", exit_status=code, process=None)
                    return
                delay_s = BACKOFF_FIRST_S if time.monotonic() - began > HEALTHY_S else delay_s
                self._set(
                    service,
                    state="waiting",
                    exit_status=code,
                    process=None,
                    delay_s=delay_s,
                    restarts=self._status[service.name].restarts + 1,
                )
                self._changed.wait_for(self._is_stopping, delay_s)
                delay_s = min(delay_s * 2, BACKOFF_MAX_S)
        with self._changed:
            self._set(service, state="stopped", process=None)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _set(self, service: Service, **changes: object) -> None:
        status = replace(self._status[service.name], **changes)  # type: ignore[arg-type]  # names and types of Status' fields
        self._status[service.name] = status
        folder = _folder(self._home)
        folder.mkdir(parents=True, exist_ok=True)
        order = [s.name for s in self._services].index(service.name)
        processes.replace(folder / f"{order:02}-{service.name}.json", json.dumps(asdict(status)))
        self._told(status)
        self._changed.notify_all()


def recorded(home: Path) -> list[Status]:
    """Return what the supervisor of `home` wrote last of each service, in order; the processes may have ended since."""
    found = []
    for file in sorted(_folder(home).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # gone meanwhile, or not ours
            values = json.loads(file.read_text(encoding="utf-8"))
            process = values.pop("process")
            found.append(Status(**values, process=process and Process(**process)))
    return found


def stop_recorded(home: Path) -> list[str]:
    """Stop what another process supervises for `home`, and what a killed supervisor left; returns the names that ran."""
    supervisors = list(processes.read(_supervisors(home)).values())
    before = [s for s in recorded(home) if s.process and processes.running(s.process)]
    processes.stop(supervisors, grace_s=(len(before) + 1) * STOP_S)
    for status in recorded(home):
        if status.process:
            processes.stop([status.process], STOP_S)
    for file in _folder(home).glob("*.json"):
        file.unlink(missing_ok=True)
    for process in supervisors:
        processes.forget(_supervisors(home), process.name)
    return [s.name for s in before]


def supervising(home: Path) -> Process | None:
    """Return the process that supervises the services of `home`, if there is one."""
    return next((p for p in processes.read(_supervisors(home)).values() if processes.running(p)), None)


def claim(home: Path) -> None:
    """Write down that this process supervises the services of `home`, so that `stop_recorded` finds it."""
    processes.write(_supervisors(home), processes.myself("supervisor"))


def unclaim(home: Path) -> None:
    """Take back what `claim` wrote, and what was known of the services."""
    processes.forget(_supervisors(home), "supervisor")
    for file in _folder(home).glob("*.json"):
        file.unlink(missing_ok=True)


def _folder(home: Path) -> Path:
    return home / "services"


def _supervisors(home: Path) -> Path:
    return home / "run" / "supervisor"
