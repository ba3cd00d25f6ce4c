"""SHELL (HTTP). The live page's server in a thread, over whatever it is to read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from deploy.console.server import Console, serve

_START_S = 10.0


@contextmanager
def served(console: Console) -> Iterator[str]:
    """Yield the page's address without a slash at its end."""
    stop, started = asyncio.Event(), Event()
    told: list[tuple[str, asyncio.AbstractEventLoop]] = []

    def ready(url: str) -> None:
        told.append((url, asyncio.get_running_loop()))
        started.set()

    thread = Thread(target=lambda: asyncio.run(serve(console, "127.0.0.1", 0, stop, ready)))
    thread.start()
    try:
        assert started.wait(_START_S)
        yield told[0][0].rstrip("/")
    finally:
        if told:
            told[0][1].call_soon_threadsafe(stop.set)
        thread.join(_START_S)
