"""SHELL (clock, signals, log). A start that waits: asks again until a server that is away answers, or the process is told to end.

A service that ends because a server is away is started anew by its supervisor, later each time (Docker and Kubernetes double the
delay, up to minutes), and goes on losing time after the server is back. So it waits by itself. What no waiting mends (a password,
a right, a schema that is not registered) is not asked again.
"""

from __future__ import annotations

import random  # noqa: TID251 - jitter, so that services that lost the same server do not come back together
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import TypeVar

import structlog

T = TypeVar("T")
FIRST_S, LONGEST_S = 0.1, 5.0
"""Pauses between two questions (our choice: what restarts is back within seconds, and each of them is lost time)."""
SERVERS = ("kafka", "registry")
_log = structlog.get_logger()


class AwayError(Exception):
    """A server does not answer, or is in trouble itself; it may be back. ``server`` is one of `SERVERS`."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(why)
        self.server = server


class StoppedError(Exception):
    """The process was told to end while its start waited."""


@dataclass
class Waiting:
    """What a start waits for, for pages and metrics: a ``server``, empty while none is known to be away; it ``asks`` until all
    have answered.
    """

    server: str = ""
    why: str = ""
    asks: bool = False

    def values(self) -> dict[str, int]:
        """Return 1 for the server that is waited for and 0 for the others, by name."""
        return {server: int(server == self.server) for server in SERVERS}


def until_answered(ask: Callable[[], T], waiting: Waiting, stop: Event | None = None) -> T:
    """Return what `ask` returns, as soon as no server is away; say so once when one goes, and once when all are back.

    To be called by the main thread: SIGTERM and SIGINT end it at once, also within `ask`; their handlers are put back afterwards.

    Args:
        ask: asks the servers; whatever else it raises ends the waiting.
        waiting: told what is waited for.
        stop: set by handlers that were there before, where a signal may have come already.

    Raises:
        StoppedError: a signal came.
    """
    began, attempt = monotonic(), 0
    waiting.asks = True
    with _ended_by_signals() as told:
        while stop is None or not stop.is_set():
            try:
                answer = ask()
            except AwayError as error:
                is_new = error.server != waiting.server
                waiting.server, waiting.why = error.server, str(error)
                if is_new:
                    _log.warning("start.waiting", waiting_for=error.server, reason=str(error))
            else:
                waited_for, waiting.server, waiting.why, waiting.asks = waiting.server, "", "", False
                if waited_for:
                    _log.info("start.went_on", waited_for=waited_for, seconds=round(monotonic() - began, 1))
                return answer
            if told.wait(pause_s(attempt, random.random())):  # noqa: S311 - jitter
                raise StoppedError
            attempt += 1
    raise StoppedError


def pause_s(attempt: int, chance: float) -> float:
    """Return the pause after try number `attempt` (the first is 0), seconds: doubling, of which half is `chance`, 0 to 1."""
    return min(LONGEST_S, max(FIRST_S, FIRST_S * 2.0 ** min(attempt, 10) * (0.5 + chance / 2)))


@contextmanager
def _ended_by_signals() -> Iterator[Event]:
    # An exception leaves any call that waits. The event is for the one that is raised where Python swallows it (a destructor).
    told = Event()

    def end(_number: int, _frame: object) -> None:
        told.set()
        raise StoppedError

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
