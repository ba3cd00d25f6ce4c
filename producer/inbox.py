"""SHELL (clock, threads). The bounded queue between the thread that reads a socket and the one that publishes."""

from __future__ import annotations

from collections import deque
from threading import Condition
from time import monotonic, time_ns  # noqa: TID251 - this is where receive times are made
from typing import Literal, NamedTuple

# Our choices: some seconds of the busiest feed; what does not fit stays in the socket, and so with the provider.
MAX_ITEMS = 10_000
MAX_BYTES = 32 << 20

Kind = Literal["opened", "data", "ping", "pong", "closed", "failed"]


class Item(NamedTuple):
    """One thing a connection met, in order; ``connection`` is the attempt's number.

    ``receive_us`` is wall time in microseconds UTC, never going back; ``at_s`` the same moment on the monotonic clock.
    ``good_until_us``: of a ``closed`` that was not seen to happen, the last moment at which the connection surely delivered.
    ``seen_us``: of one that was, the last moment before it at which all that had come was read, and it was not the end.
    """

    connection: int
    kind: Kind
    receive_us: int
    at_s: float
    payload: bytes = b""
    detail: str = ""
    http_status: int | None = None
    retry_after: str | None = None
    good_until_us: int | None = None
    seen_us: int | None = None


class Inbox:
    """Many readers, one taker. Stamping and queueing are one step, so that `processed_to` never runs ahead of a frame."""

    def __init__(self, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._changed = Condition()
        self._last_us = 0
        self._open = True
        self._is_full = False

    def put(
        self,
        connection: int,
        kind: Kind,
        payload: bytes = b"",
        *,
        detail: str = "",
        http_status: int | None = None,
        retry_after: str | None = None,
        good_until_us: int | None = None,
        seen_us: int | None = None,
    ) -> None:
        """Stamp and queue an item, then wait while the queue is full: the reader reads on only when half of it is room again."""
        with self._changed:
            now_us, at_s = self._now_us(), monotonic()
            met = detail, http_status, retry_after, good_until_us, seen_us
            self._items.append(Item(connection, kind, now_us, at_s, payload, *met))
            self._bytes += len(payload)
            self._changed.notify_all()
            while self._open and (len(self._items) > self._max_items or self._bytes > self._max_bytes):
                self._is_full = True
                self._changed.wait()

    def get(self, timeout_s: float) -> Item | None:
        """Return the oldest item, or None if none comes in time."""
        with self._changed:
            if not self._items:
                self._changed.wait(timeout_s)
            if not self._items:
                return None
            item = self._items.popleft()
            self._bytes -= len(item.payload)
            # At half: a reader woken for every place would wait for the next one at once, and cost two switches a frame.
            if self._is_full and len(self._items) <= self._max_items // 2 and self._bytes <= self._max_bytes // 2:
                self._is_full = False
                self._changed.notify_all()
            return item

    def now_us(self) -> int:
        """Return the wall clock of the receive times: microseconds UTC, never going back."""
        with self._changed:
            return self._now_us()

    def processed_to(self) -> int:
        """Return the receive time up to which every item has been taken; call it between items, not while working on one."""
        with self._changed:
            return self._items[0].receive_us - 1 if self._items else self._now_us()

    def release(self) -> None:
        """Let readers go that wait for room; for the end."""
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _now_us(self) -> int:
        self._last_us = max(self._last_us, time_ns() // 1000)
        return self._last_us
