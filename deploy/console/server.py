"""SHELL (HTTP). Serves the live page out of Cassandra, and passes on the stream of changes of a processor, where one is named."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable

from deploy.cli.renderings import instant_us
from deploy.console import account
from processor import live_page

MOST = 1000
"""Candles or gaps in one answer, as many as the processor's pages give."""
LATEST_US = 253_402_300_800_000_000
"""The year 10000: no moment that can be asked for lies beyond."""
CONNECT_S = 3.0
SILENT_S = 30.0
"""Without a sign of life for so long the processor's stream has ended: it gives one every 10 s."""
CLOSE_S = 2.0
"""How long open answers may take when the console ends."""


class Reads(Protocol):
    """What the page is told; `deploy.console.store.Store` out of Cassandra."""

    timeframes: list[str]

    def series(self) -> list[str]:
        """Return every series."""

    def feeds(self) -> list[dict[str, Any]]:
        """Return how the feeds are."""

    def candles(self, series: str, timeframe: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest candles."""

    def candles_as_of(self, series: str, timeframe: str, limit: int, moment_us: int) -> list[dict[str, Any]]:
        """Return the newest closed candles as they were known at a moment."""

    def gaps(self, series: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest gaps."""


class Console:
    """The page and what it asks for."""

    def __init__(self, store: Reads, processor: str = "", left: Path | None = None) -> None:
        """Make it.

        Args:
            store: what is known.
            processor: URL of any processor of the group, whose stream is passed on; empty: the page asks twice a second.
            left: file in which a run leaves its account, once it has one.
        """
        self._store = store
        self._processor = processor.rstrip("/")
        self._left = left

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(middlewares=[_answered])
        live_page.add_to(app.router)
        app.router.add_get("/about", self._about)
        app.router.add_get("/series", self._series)
        app.router.add_get("/feeds", self._feeds)
        app.router.add_get("/candles/{series}/{timeframe}", self._candles)
        app.router.add_get("/gaps/{series}", self._gaps)
        app.router.add_get("/events", self._events)
        return app

    async def _about(self, _: web.Request) -> web.Response:
        left = await asyncio.to_thread(account.read, self._left) if self._left else None
        about = {"reads": "Cassandra", "stream": bool(self._processor), "now": time.time_ns() // 1000, "account": left}
        return _json({**about, "timeframes": self._store.timeframes})

    async def _series(self, _: web.Request) -> web.Response:
        return _json({"series": await asyncio.to_thread(self._store.series)})

    async def _feeds(self, _: web.Request) -> web.Response:
        return _json({"feeds": await asyncio.to_thread(self._store.feeds)})

    async def _candles(self, request: web.Request) -> web.Response:
        series, timeframe = request.match_info["series"], request.match_info["timeframe"]
        limit, moment_us = _limit(request), _as_of(request)
        try:
            if moment_us is None:
                candles = await asyncio.to_thread(self._store.candles, series, timeframe, limit)
            else:
                candles = await asyncio.to_thread(self._store.candles_as_of, series, timeframe, limit, moment_us)
        except KeyError:
            return _json({"error": f"no timeframe {timeframe!r}", "timeframes": self._store.timeframes}, 404)
        asked = {} if moment_us is None else {"as_of": moment_us}
        return _json({"series": series, "timeframe": timeframe, **asked, "candles": candles})

    async def _gaps(self, request: web.Request) -> web.Response:
        series = request.match_info["series"]
        return _json({"series": series, "gaps": await asyncio.to_thread(self._store.gaps, series, _limit(request))})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if not self._processor:
            return _json({"error": "no processor was named, so there is no stream"}, 503)
        limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=SILENT_S)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        try:
            async with (
                aiohttp.ClientSession(timeout=limits) as session,
                session.get(f"{self._processor}/events", params=list(request.query.items())) as source,
            ):
                if source.status != 200:
                    return _json({"error": f"the processor gives no stream (status {source.status})"}, 503)
                await response.prepare(request)
                async for said in source.content.iter_any():
                    await response.write(said)
        except (aiohttp.ClientError, OSError) as error:  # OSError: also a time that is up, and a reader that has gone
            if not response.prepared:
                return _json({"error": f"the processor does not answer ({type(error).__name__})"}, 503)
        return response


@web.middleware
async def _answered(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        return await handler(request)
    except (DriverException, NoHostAvailable) as error:
        return _json({"error": f"Cassandra does not answer ({type(error).__name__})"}, 503)


def _json(value: dict[str, Any], status: int = 200) -> web.Response:
    return web.json_response(value, status=status, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(MOST))
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= MOST):
        raise _wrong(f"limit is a whole number from 1 to {MOST}")
    return int(text)


def _as_of(request: web.Request) -> int | None:
    # Microseconds as in every answer, or ISO; kept within what a timestamp of the store can hold.
    text = request.query.get("as_of")
    if text is None:
        return None
    try:
        moment_us = int(text) if text.isascii() and text.isdigit() else instant_us(text)
    except (ValueError, OverflowError):
        moment_us = -1
    if not 0 <= moment_us < LATEST_US:
        raise _wrong("as_of is a moment: microseconds since 1970, or ISO such as 2026-01-31T12:00:00, in UTC")
    return moment_us


def _wrong(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=json.dumps({"error": text}), content_type="application/json")


async def serve(console: Console, host: str, port: int, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set.

    Args:
        console: what is shown.
        host: loopback, unless you know better: the page has no login.
        port: 0 takes a free one.
        stop: set to end.
        ready: called once with the page's address.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(console.application(), access_log=None, shutdown_timeout=CLOSE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        ready(f"http://{host}:{bound}/")
        await stop.wait()
    finally:
        await runner.cleanup()
