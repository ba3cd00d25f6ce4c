"""SHELL (HTTP). Streams of live changes: one bounded queue a client; who does not keep up is let go and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from processor import telemetry
from processor.shown import as_json, event, event_of
from schemas.records import Candle, Gap

QUEUE_EVENTS = 2000
"""Events that wait for one client at most (our choice: some seconds of a busy worker, 1 MB)."""
MOST_CLIENTS = 100
"""Streams at once; more are refused (our choice)."""


class Client:
    """One reader of the stream."""

    def __init__(self, wanted: Iterable[str], abandon: Callable[[], None], *, feeds: bool = False) -> None:
        """Make a client with nothing waiting.

        Args:
            wanted: series; none = all.
            abandon: cuts its connection.
            feeds: whether it hears how feeds are.
        """
        self.wanted = frozenset(wanted)
        self.feeds = feeds
        self._abandon = abandon
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_EVENTS)
        self._gone = False

    def tell(self, said: bytes) -> None:
        """Queue an event; a client whose queue is full is let go: it would only hear of the past."""
        if self._gone:
            return
        try:
            self._queue.put_nowait(said)
        except asyncio.QueueFull:
            self._gone = True
            telemetry.EVENT_CLIENTS_DROPPED.inc()
            self._abandon()

    def end(self) -> None:
        """End the stream after what is queued; browsers come back by themselves, to whoever knows by then."""
        if not self._gone:
            self._gone = True
            if self._queue.full():
                self._abandon()
            else:
                self._queue.put_nowait(None)

    async def next(self, limit_s: float) -> bytes | None:
        """Return what is queued, everything at once; None at the stream's end.

        Raises:
            TimeoutError: nothing within `limit_s`.
        """
        said = [await asyncio.wait_for(self._queue.get(), limit_s)]
        while said[-1] is not None and not self._queue.empty():
            said.append(self._queue.get_nowait())
        if said[-1] is None and len(said) > 1:
            self._queue.put_nowait(said.pop())
        whole = [s for s in said if s is not None]
        return b"".join(whole) if whole else None


class Hub:
    """All clients of this worker."""

    def __init__(self) -> None:
        self._clients: set[Client] = set()

    @property
    def full(self) -> bool:
        """True where no further client is taken."""
        return len(self._clients) >= MOST_CLIENTS

    def join(self, client: Client) -> None:
        """Begin to tell a client."""
        self._clients.add(client)
        telemetry.EVENT_CLIENTS.set(len(self._clients))

    def leave(self, client: Client) -> None:
        """Stop telling a client."""
        self._clients.discard(client)
        telemetry.EVENT_CLIENTS.set(len(self._clients))

    def wanted(self, series: str) -> list[Client]:
        """Return the clients that want to hear of a series."""
        return [c for c in self._clients if not c.wanted or series in c.wanted]

    def publish(self, record: Candle | Gap) -> None:
        """Tell every client that wants to know."""
        if wanting := self.wanted(record.series):
            said = event(record)
            for client in wanting:
                client.tell(said)

    @property
    def feeds_wanted(self) -> bool:
        """True where somebody wants to hear how feeds are."""
        return any(client.feeds for client in self._clients)

    def tell_feeds(self, feeds: Iterable[dict[str, Any]]) -> None:
        """Tell those who asked for it how feeds are."""
        said = b"".join(event_of("feed", as_json(feed)) for feed in feeds)
        for client in self._clients:
            if client.feeds and said:
                client.tell(said)

    def end(self) -> None:
        """End every stream: series have moved between workers."""
        for client in self._clients:
            client.end()
