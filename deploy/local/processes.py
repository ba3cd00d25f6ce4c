"""SHELL (processes). Starts processes that outlive us, recognises them later, and stops them with all they started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

LOG_BYTES = 16 << 20  # our choice: a log longer than this is put aside (one generation) when its process starts
GRACE_S = 30.0


@dataclass(frozen=True)
class Process:
    """One process: pid and start time together name it for ever, a pid alone is given away again."""

    name: str
    pid: int
    started: float
    """Seconds since 1970 UTC, as the system recorded it."""
    ports: dict[str, int]


def start(
    name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, ports: Mapping[str, int] | None = None
) -> tuple[Process, subprocess.Popen[bytes]]:
    """Start a process in a group of its own, so that our terminal's signals do not reach it; output goes to the end of `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True
        )
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:  # pragma: no cover  (it is our child: until we wait for it, it exists)
        started = 0.0
    return Process(name, child.pid, started, dict(ports or {})), child


def myself(name: str) -> Process:
    """Return the calling process, under `name`."""
    me = psutil.Process()
    return Process(name, me.pid, me.create_time(), {})


def running(process: Process) -> psutil.Process | None:
    """Return the live process, or None when it has ended (a zombie has) or its pid belongs to another by now."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < 0.05 and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return found if same else None


def listens(process: Process, port: int) -> bool:
    """Return whether `process` itself accepts connections on `port`; another's answer there would deceive us."""
    found = running(process)
    try:
        connections = found.net_connections("tcp") if found else []
    except psutil.NoSuchProcess:
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def stop(processes: Sequence[Process], grace_s: float = GRACE_S) -> list[str]:
    """Ask all to end, wait for them together, kill what is left after `grace_s`; returns the names that had to be killed."""
    alive = [p for p in processes if running(p)]
    for process in alive:
        _signal_group(process, signal.SIGTERM)
    left = _wait(alive, grace_s)
    for process in alive:
        _signal_group(process, signal.SIGKILL)  # also for those that ended: what they started goes with them
    _wait(left, grace_s)
    return [p.name for p in left]


def strays(argument: str, known: Sequence[Process]) -> list[Process]:
    """Return processes that carry exactly `argument` on their command line and are not among `known`."""
    pids = {p.pid for p in known}
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        if argument in (process.info["cmdline"] or ()) and process.pid not in pids:
            found.append(Process(f"pid {process.pid}", process.pid, process.info["create_time"], {}))
    return found


def write(folder: Path, process: Process) -> None:
    """Remember a process in ``<folder>/<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / f"{process.name}.json", json.dumps(asdict(process)))


def read(folder: Path) -> dict[str, Process]:
    """Return the remembered processes by name, whether they still run or not."""
    known = {}
    for file in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):  # gone meanwhile, or not ours
            process = Process(**json.loads(file.read_text(encoding="utf-8")))
            known[process.name] = process
    return known


def forget(folder: Path, name: str) -> None:
    """Remove what `write` wrote."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def replace(file: Path, text: str) -> None:
    """Write a file so that nobody ever reads half of it."""
    half = file.with_name(f".{file.name}.{os.getpid()}")
    half.write_text(text, encoding="utf-8")
    half.replace(file)


def _wait(processes: Sequence[Process], limit_s: float) -> list[Process]:
    # Asks ourselves: a system's first process may take seconds to bury the dead, and they are no trouble meanwhile.
    limit = time.monotonic() + limit_s
    left = list(processes)
    while (left := [p for p in left if running(p)]) and time.monotonic() < limit:
        time.sleep(0.02)
    return left


def _signal_group(process: Process, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            if running(process):  # leads no group: a supervisor in somebody's terminal
                os.kill(process.pid, sign)
