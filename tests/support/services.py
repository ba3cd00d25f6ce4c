"""SHELL (processes). The services and the command line as processes, the way a user runs them; every wait has a limit."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tests.support.recording import Bar, Bars, Key, Recording

T = TypeVar("T")
PATIENCE, PATIENT_S = float(os.environ.get("E2E_PATIENCE") or 4), 120.0
"""Limits are written for a machine that is ours alone. Where others work on it all takes several times as long, which is no
fault; so a wait ends after four times its limit, two minutes at most. `make test-prompt` asks for once the limit."""
PAUSE_S = 2.0
COMMAND = Path(sys.executable).parent / "candlewick"


class Content(NamedTuple):
    """What a candle says, apart from how and when it was published (SEMANTICS: content)."""

    bar: Bar
    trade_count: int
    update_count: int
    version: int
    coverage: float
    gap_cause: str
    fingerprint: int


Contents = dict[Key, Content]


class Gap(NamedTuple):
    """One line of `candlewick gaps`."""

    series: str
    from_ms: int
    to_ms: int | None
    cause: str
    state: str


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with `settings`."""
    return {**os.environ, **settings, "PYTHONUNBUFFERED": "1"}


def allowed(limit_s: float) -> float:
    """Return how many seconds something may take that is to take `limit_s`: so many, where `E2E_PATIENCE` is 1.

    Whether a change is right must not depend on how busy the machine is, which a suite cannot know: by default it allows several
    times as long and some pauses of the whole machine, so that only what is late by its nature fails.
    """
    return PATIENCE * limit_s + (PATIENCE - 1) * PAUSE_S


def wait_until(condition: Callable[[], T], limit_s: float, what: str, alive: Sequence[Service] = ()) -> T:
    """Return the first true value of `condition`, asked ten times a second.

    Args:
        condition: what is waited for.
        limit_s: how long it may take where nothing else runs; see `PATIENCE`.
        what: the condition, for people.
        alive: services whose end ends the wait.

    Raises:
        AssertionError: not true within the limit, or one of the services in `alive` has ended; with the ends of their logs.
    """
    limit_s = max(limit_s, min(PATIENCE * limit_s, PATIENT_S))
    deadline = time.monotonic() + limit_s
    while True:
        if value := condition():
            return value
        for service in alive:
            assert service.running, f"{service.name} ended while waiting for {what}\n{service.tail()}"
        if time.monotonic() > deadline:
            logs = "\n".join(f"--- {s.name}\n{s.tail()}" for s in alive)
            raise AssertionError(f"not within {limit_s:g} s: {what}\n{logs}")
        time.sleep(0.1)


class Service:
    """One service process, `python -m <name> ...`; its log is a file in `folder`, appended over restarts."""

    def __init__(self, name: str, settings: Mapping[str, str], folder: Path, *arguments: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [sys.executable, "-m", name, *arguments]
        self._environment = environment(settings)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Tell whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> Service:
        """Start the process (again)."""
        assert not self.running
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def kill(self) -> None:
        """Kill the process and whatever it started, at once (kill -9)."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=60)

    def stop(self, limit_s: float = 30) -> int:
        """Ask the process to drain and end; return its exit status."""
        assert self._process is not None
        if self.running:
            self._process.terminate()
        try:
            return self._process.wait(timeout=allowed(limit_s))
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {allowed(limit_s):g} s of SIGTERM\n{self.tail()}") from None

    def discard(self) -> None:
        """End the process in whatever way works; for fixtures."""
        if self.running:
            self.kill()

    def tail(self, lines: int = 25) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "(no log)"


def candlewick(settings: Mapping[str, str], *arguments: str, limit_s: float = 120, status: int | None = 0) -> str:
    """Run the command line and return what it printed to stdout.

    Raises:
        AssertionError: another exit status than `status`, or no end within `limit_s`.
    """
    try:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stderr.decode(errors="replace") if isinstance(late.stderr, bytes) else late.stderr
        raise AssertionError(f"candlewick {' '.join(arguments)} took longer than {limit_s:g} s\n{said}") from None
    assert status is None or done.returncode == status, (
        f"candlewick {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done.stdout


def replay(
    settings: Mapping[str, str],
    recording: Recording,
    folder: Path,
    *options: str,
    source: str | None = None,
    limit_s: float = 240,
) -> dict[str, Any]:
    """Replay a recording until everything is written, and return the summary."""
    source = source or recording.source
    file = write_lines(recording, folder, source)
    out = candlewick(settings, "replay", str(file), "--source", source, "--finish", "--wait", *options, limit_s=limit_s)
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    return summary


def write_lines(recording: Recording, folder: Path, source: str) -> Path:
    """Write the recording's lines to a file and return it."""
    file = folder / f"{source}.jsonl"
    file.write_text("\n".join(recording.lines) + "\n")
    return file


def read_candles(settings: Mapping[str, str], *timeframes: str) -> Contents:
    """Return every candle in Cassandra of the timeframes."""
    found: Contents = {}
    for timeframe in timeframes:
        out = candlewick(settings, "candles", "--timeframe", timeframe, "--format", "csv", limit_s=240)
        for row in csv.DictReader(io.StringIO(out)):
            key = Key(row["series"], row["timeframe"], int(row["start_ms"]))
            assert key not in found, f"two rows of {key}"
            found[key] = _content(row)
    return found


def of_source(candles: Contents, source: str) -> Contents:
    """Return the candles of one source, with the source's name taken off their series: comparable with another's."""
    prefix = f"{source}:"
    return {
        key._replace(series=key.series.removeprefix(prefix)): content
        for key, content in candles.items()
        if key.series.startswith(prefix)
    }


def _content(row: Mapping[str, str]) -> Content:
    return Content(
        Bar(*(float(row[name]) for name in ("open", "high", "low", "close", "volume"))),
        int(row["trade_count"]),
        int(row["update_count"]),
        int(row["version"]),
        float(row["coverage"]),
        row["gap_cause"],
        int(row["fingerprint"]),
    )


def bars_of(contents: Contents, source: str) -> Bars:
    """Return the bars alone, keyed by full series names of `source`."""
    return {Key(f"{source}:{key.series}", key.timeframe, key.start_ms): content.bar for key, content in contents.items()}


def read_gaps(settings: Mapping[str, str]) -> list[Gap]:
    """Return every gap in Cassandra, in order of series and beginning."""
    rows = csv.DictReader(io.StringIO(candlewick(settings, "gaps", "--format", "csv")))
    return sorted(
        Gap(r["series"], int(r["from_ms"]), int(r["to_ms"]) if r["to_ms"] else None, r["cause"], r["state"]) for r in rows
    )
