"""SHELL (processes). Starts one server of a home and waits until it answers."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from deploy.local import ports, processes, readiness
from deploy.local.processes import Process
from deploy.local.servers import Server

READY_S = 120.0  # our choice: ten times what a slow two-core machine needs


class StackError(RuntimeError):
    """A server cannot be started; the message says which, why, and where its log is."""


class PortTakenError(StackError):
    """Between our choice of a port and the server's start somebody else took it."""


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


def bring_up(home: Path, server: Server, chosen: Mapping[str, int], process: Process | None, report: Report, stop: Event) -> None:
    """Start a server of `home` unless `process` runs already, and return when it answers, or when `stop` is set.

    Raises:
        StackError: it ended, could not be prepared, or did not answer in time; the message says where its log is.
        PortTakenError: it ended because somebody else has one of its ports by now.
    """
    began, before = time.monotonic(), process is not None
    child = None
    if process is None:
        report.starting(server.name)
        prepare(home, server)
        own = {name: chosen[name] for name in server.ports}
        process, child = processes.start(server.name, server.argv, _log(home, server.name), ports=own)
        processes.write(pids_of(home), process)
    what, public = server.kind or server.name, chosen[server.ports[0]]
    while not (processes.listens(process, public) and readiness.ready(what, {**chosen, what: public})):
        if processes.running(process) is None:
            code = "" if child is None else f" with exit status {child.wait()}"
            kind = StackError if all(ports.free(chosen[name]) for name in server.ports) else PortTakenError
            raise kind(f"{server.name} ended{code} before it was ready; the end of its log:\n{_tail(home, server.name)}")
        if time.monotonic() - began > READY_S:
            raise StackError(f"{server.name} did not answer within {READY_S:.0f} s; its log is {_log(home, server.name)}")
        if stop.wait(0.1):
            return
    report.ready(server.name, time.monotonic() - began, before)


def prepare(home: Path, server: Server) -> None:
    """Write what a server needs and run what comes before its first start; harmless to repeat.

    Raises:
        StackError: the preparation failed; the message has the end of its log.
    """
    place = home / "data" / server.name
    prepared = place / "files" / ".prepared"
    if server.before and not prepared.exists():
        shutil.rmtree(place, ignore_errors=True)  # a preparation that was killed half-way is begun anew
    (place / "files").mkdir(parents=True, exist_ok=True)
    for folder in (place / "temp", home / "config" / server.name):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for file, text in server.files.items():
        file.write_text(text, encoding="utf-8")
    if server.before and not prepared.exists():
        log = _log(home, server.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            done = subprocess.run(
                server.before, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=READY_S, check=False
            )
        if done.returncode:
            raise StackError(f"{server.name} could not be prepared; the end of its log:\n{_tail(home, server.name)}")
        prepared.touch()


def logs_of(home: Path) -> Path:
    """Return the folder of a home's logs, one file a server or service."""
    return home / "logs"


def pids_of(home: Path) -> Path:
    """Return the folder of a home's pid files of servers."""
    return home / "run"


def _log(home: Path, name: str) -> Path:
    return logs_of(home) / f"{name}.log"


def _tail(home: Path, name: str) -> str:
    lines = _log(home, name).read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
    return "\n".join(f"  {line}" for line in lines)
