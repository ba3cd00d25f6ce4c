"""SHELL (HTTP). The processor's pages: candles, gaps and series out of the hot cache, health, metrics and a stream of changes.

Any worker answers for all: a question about a partition that another worker owns is passed on to it. Who owns what, and
where it listens, comes with the consumer group's assignment: Faust's assignor carries every member's URL and partitions.
A question that was passed on is never passed on again.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

import aiohttp
import structlog
from aiohttp import web
from confluent_kafka import murmur2
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from yarl import URL

from processor import live_page, telemetry
from processor.cache import MOST
from processor.events import Client
from processor.hot import Hot
from processor.shown import HEARTBEAT, HELLO, LimitError, answer, as_json, instrument_in, limit_of
from schemas.groups import Groups, partition_key

log = structlog.get_logger()
PASSED_ON = "X-Candlewick-Passed-On"
ANSWER_S = 5.0
"""How long another worker may take to answer."""
HEARTBEAT_S = 10.0
"""Silence in a stream after which a comment is sent."""
CLOSE_S = 2.0
"""How long open answers may take when the process ends."""
PAGES = (
    "/",
    "/candles/<series>/<timeframe>?limit=",
    "/gaps/<series>?limit=",
    "/series",
    "/feeds",
    "/events?series=&feeds=",
    "/about",
    "/health",
    "/metrics",
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Worker(Protocol):
    """What the pages need to know of the processor."""

    def health(self) -> dict[str, Any]:
        """Return `ready` and why."""

    def owners(self) -> dict[int, str]:
        """Return the URL of every partition's owner, as the last assignment says."""

    def owned(self) -> list[int]:
        """Return the partitions that this worker owns and has recovered."""

    def series(self) -> list[str]:
        """Return the series this worker keeps."""

    def feeds(self) -> list[dict[str, Any]]:
        """Return how the feeds are, as `processor.feed_states` has it."""


class Problem(Exception):  # noqa: N818  # an answer, not a fault
    """An answer that is not what was asked for."""

    def __init__(self, status: int, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status = status
        self.body = {"error": text, **more}


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    shown = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return web.Response(body=body, status=status, content_type="application/json", headers=shown)


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    # Problems become JSON; what is asked is counted by the name of the page, never by what stands in the address.
    resource = request.match_info.route.resource
    page = (resource.canonical if resource is not None else "unknown").strip("/").partition("/")[0] or "page"
    try:
        response = await handler(request)
    except Problem as problem:
        response = _json(as_json(problem.body), problem.status, {"Retry-After": "1"} if problem.status == 503 else None)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        response = _json(as_json({"error": error.reason, "pages": PAGES}), error.status, allowed)
    telemetry.REQUESTS.labels(page, str(response.status)).inc()
    return response


class Web(Service):
    """The server, as a service of the Faust app that starts before it joins its group and runs in its loop."""

    def __init__(
        self,
        worker: Worker,
        hot: Hot,
        listener: socket.socket,
        timeframes: Iterable[str],
        partitions: int,
        groups: Groups = (),
    ) -> None:
        """Make a server that does not answer yet.

        Args:
            worker: the processor.
            hot: its cache and streams.
            listener: bound already, so that the address is known before the group is joined.
            timeframes: names of those that have candles.
            partitions: how many there are.
            groups: whose instruments share a partition.
        """
        super().__init__()
        self._worker = worker
        self._hot = hot
        hot.feeds = worker.feeds
        self._listener = listener
        self._timeframes = tuple(timeframes)
        self._count = partitions
        self._groups = groups
        self._runner: web.AppRunner | None = None
        self._others: aiohttp.ClientSession | None = None

    # Life

    async def on_start(self) -> None:
        """Begin to answer."""
        pages = web.Application(middlewares=[_answered])
        pages.router.add_get("/candles/{series}/{timeframe}", self._candles)
        pages.router.add_get("/gaps/{series}", self._gaps)
        pages.router.add_get("/series", self._series)
        pages.router.add_get("/feeds", self._feeds)
        pages.router.add_get("/events", self._events)
        pages.router.add_get("/about", self._about)
        live_page.add_to(pages.router)
        pages.router.add_get("/health", self._ready)
        pages.router.add_get("/health/ready", self._ready)
        pages.router.add_get("/health/live", self._live)
        pages.router.add_get("/metrics", self._metrics)
        self._others = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        self._runner = web.AppRunner(pages, access_log=None, shutdown_timeout=CLOSE_S)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()
        host, port = self._listener.getsockname()[:2]
        log.info("http.opened", host=host, port=port)

    async def on_stop(self) -> None:
        """End the streams, then the rest."""
        await self._hot.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._others is not None:
            await self._others.close()

    # Health and metrics

    async def _live(self, _: web.Request) -> web.Response:
        return _json(as_json({"live": True}))  # given by the loop that does the work: while that hangs, so does this

    async def _ready(self, _: web.Request) -> web.Response:
        state = self._worker.health()
        return _json(as_json({"live": True, **state, **self._hot.measure()}), 200 if state["ready"] else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        self._hot.measure()
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    # Candles, gaps, series

    async def _candles(self, request: web.Request) -> web.StreamResponse:
        series, timeframe = request.match_info["series"], request.match_info["timeframe"]
        limit = _limit(request)
        if "as_of" in request.query:  # else the newest would pass for what was known
            raise Problem(400, "the processor keeps no old versions: ask `candlewick console`, which reads them from Cassandra")
        if timeframe not in self._timeframes:
            raise Problem(404, f"no timeframe {timeframe!r}", timeframes=self._timeframes)
        if (elsewhere := await self._elsewhere(request, series)) is not None:
            return elsewhere
        found = self._hot.candles(series, timeframe, limit)
        head = {"series": series, "timeframe": timeframe, "truncated": found.truncated}
        return _json(answer(head, "candles", found.records))

    async def _gaps(self, request: web.Request) -> web.StreamResponse:
        series, limit = request.match_info["series"], _limit(request)
        if (elsewhere := await self._elsewhere(request, series)) is not None:
            return elsewhere
        found = self._hot.gaps(series, limit)
        return _json(answer({"series": series, "truncated": found.truncated}, "gaps", found.records))

    async def _series(self, request: web.Request) -> web.Response:
        known = set()
        if PASSED_ON not in request.headers:
            others = await asyncio.gather(*(self._ask(url, "/series") for url in self._other_workers()))
            for status, body, _ in others:
                if status != 200:
                    raise Problem(503, "a worker does not tell its series yet")
                known.update(json.loads(body)["series"])
        self._must_be_loaded(self._worker.owned())
        known.update(self._worker.series(), self._hot.series)
        return _json(as_json({"series": sorted(known)}))

    async def _feeds(self, request: web.Request) -> web.Response:
        feeds = self._worker.feeds()
        if not feeds and PASSED_ON not in request.headers:
            # Every partition hears of every source: a worker without partitions knows nothing, and any other knows all.
            for url in self._other_workers()[:1]:
                status, body, kind = await self._ask(url, "/feeds")
                return web.Response(body=body, status=status, headers={"Content-Type": kind, "Cache-Control": "no-store"})
        return _json(as_json({"feeds": feeds}))

    async def _about(self, _: web.Request) -> web.Response:
        now = time.time_ns() // 1000  # noqa: TID251  # so that a page can tell by how much its own clock is wrong
        about = {"reads": "the processor's memory", "stream": True, "now": now, "account": None}
        return _json(as_json({**about, "timeframes": self._timeframes}))

    # Who answers

    def _partition(self, series: str) -> int:
        return murmur2(partition_key(self._groups, instrument_in(series)), self._count)

    def _must_be_loaded(self, partitions: Iterable[int]) -> None:
        if not self._worker.health()["assigned"]:
            raise Problem(503, "this worker has no assignment yet")
        if not self._hot.loaded.issuperset(partitions):
            raise Problem(503, "the cache is being read back from Kafka")

    def _other_workers(self) -> list[str]:
        owners = self._worker.owners()
        mine = set(self._worker.owned())
        if len(owners) < self._count:
            raise Problem(503, "this worker has no assignment yet")
        return sorted({url for partition, url in owners.items() if partition not in mine})

    async def _elsewhere(self, request: web.Request, series: str) -> web.Response | None:
        # Returns the owner's answer where another worker is the owner; raises where this one is, but knows no such series.
        partition = self._partition(series)
        if partition not in self._worker.owned():
            if PASSED_ON in request.headers:
                raise Problem(503, f"partition {partition} is moving between workers")
            url = self._worker.owners().get(partition)
            if url is None:
                raise Problem(503, "this worker has no assignment yet")
            status, body, kind = await self._ask(url, request.rel_url.raw_path_qs)
            return web.Response(body=body, status=status, headers={"Content-Type": kind, "Cache-Control": "no-store"})
        if series not in self._hot and series not in self._worker.series():
            self._must_be_loaded([partition])
            raise Problem(404, f"no series {series!r}; /series has them all")
        self._must_be_loaded([partition])
        return None

    async def _ask(self, url: str, page: str) -> tuple[int, bytes, str]:
        assert self._others is not None
        try:
            async with self._others.get(_address(url, page), headers={PASSED_ON: "1"}) as response:
                return response.status, await response.read(), response.headers.get("Content-Type", "text/plain")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Problem(503, f"the owner of this partition does not answer ({type(error).__name__})") from error

    # Streams

    async def _events(self, request: web.Request) -> web.StreamResponse:
        wanted = list(dict.fromkeys(request.query.getall("series", [])))
        partitions = {self._partition(series) for series in wanted} if wanted else set(range(self._count))
        followed: list[str] = []
        if PASSED_ON not in request.headers:
            owners, mine = self._worker.owners(), set(self._worker.owned())
            if len(owners) < self._count:
                raise Problem(503, "this worker has no assignment yet")
            followed = sorted({owners[p] for p in partitions - mine})
        if self._hot.hub.full:
            raise Problem(503, "too many streams are open")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        client = Client(wanted, lambda: _cut(request), feeds=request.query.get("feeds") == "1")
        self._hot.hub.join(client)
        following = [asyncio.create_task(self._follow(url, request, client)) for url in followed]
        try:
            await response.write(HELLO)
            await _feed(response, client)
        except (ConnectionError, aiohttp.ClientConnectionError):
            pass  # the reader has gone, or was let go
        finally:
            self._hot.hub.leave(client)
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
        return response

    async def _follow(self, url: str, request: web.Request, client: Client) -> None:
        # Another worker's part of a stream, event by event into the same queue; where it ends, all ends: the reader comes back.
        assert self._others is not None
        limits = aiohttp.ClientTimeout(total=None, connect=ANSWER_S, sock_read=3 * HEARTBEAT_S)
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with self._others.get(
                _address(url, request.rel_url.raw_path_qs), headers={PASSED_ON: "1"}, timeout=limits
            ) as response:
                if response.status == 200:
                    while said := await response.content.readuntil(b"\n\n"):
                        if said.startswith(b"event:"):
                            client.tell(said)
        client.end()


async def _feed(response: web.StreamResponse, client: Client) -> None:
    while True:
        try:
            said = await client.next(HEARTBEAT_S)
        except TimeoutError:
            await response.write(HEARTBEAT)
            continue
        if said is None:
            return
        await response.write(said)


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _address(url: str, page: str) -> URL:
    # `page` is path and query alone, still encoded, so that a question can only be passed on to a worker of the group.
    base = URL(url)
    if base.scheme not in {"http", "https"}:
        raise ValueError("that worker serves no HTTP")
    return URL(str(base.origin()) + page, encoded=True)


def _limit(request: web.Request) -> int:
    try:
        return limit_of(request.query.get("limit"), MOST)
    except LimitError as error:
        raise Problem(400, str(error)) from error
