"""SHELL (HTTP). The processor's pages: candles, gaps and series out of the hot cache, health, metrics and a stream of changes.

Any worker answers for all: a question about a partition that another worker owns is passed on to it (`processor.colleagues`).
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterable

import aiohttp
import structlog
from aiohttp import web
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from processor import live_page
from processor.answers import Problem, answered, json_answer
from processor.cache import MOST
from processor.colleagues import PASSED_ON, Colleagues, Worker
from processor.events import Client
from processor.hot import Hot
from processor.shown import HEARTBEAT, HELLO, LimitError, answer, as_json, limit_of
from schemas.groups import Groups

log = structlog.get_logger()
HEARTBEAT_S = 10.0
"""Silence in a stream after which a comment is sent."""
CLOSE_S = 2.0
"""How long open answers may take when the process ends."""


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
        self._others = Colleagues(worker, partitions, groups, 3 * HEARTBEAT_S)
        self._runner: web.AppRunner | None = None

    # Life

    async def on_start(self) -> None:
        """Begin to answer."""
        pages = web.Application(middlewares=[answered])
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
        self._others.open()
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
        await self._others.close()

    # Health and metrics

    async def _live(self, _: web.Request) -> web.Response:
        return json_answer(as_json({"live": True}))  # given by the loop that does the work: while that hangs, so does this

    async def _ready(self, _: web.Request) -> web.Response:
        state = self._worker.health()
        return json_answer(as_json({"live": True, **state, **self._hot.measure()}), 200 if state["ready"] else 503)

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
        if (elsewhere := await self._others.answer(request, series)) is not None:
            return elsewhere
        self._must_be_known(series)
        found = self._hot.candles(series, timeframe, limit)
        head = {"series": series, "timeframe": timeframe, "truncated": found.truncated}
        return json_answer(answer(head, "candles", found.records))

    async def _gaps(self, request: web.Request) -> web.StreamResponse:
        series, limit = request.match_info["series"], _limit(request)
        if (elsewhere := await self._others.answer(request, series)) is not None:
            return elsewhere
        self._must_be_known(series)
        found = self._hot.gaps(series, limit)
        return json_answer(answer({"series": series, "truncated": found.truncated}, "gaps", found.records))

    async def _series(self, request: web.Request) -> web.Response:
        known = set()
        if PASSED_ON not in request.headers:
            others = await asyncio.gather(*(self._others.ask(url, "/series") for url in self._others.everyone_else()))
            for status, body, _ in others:
                if status != 200:
                    raise Problem(503, "a worker does not tell its series yet")
                known.update(json.loads(body)["series"])
        self._must_be_loaded(self._worker.owned())
        known.update(self._worker.series(), self._hot.series)
        return json_answer(as_json({"series": sorted(known)}))

    async def _feeds(self, request: web.Request) -> web.Response:
        feeds = self._worker.feeds()
        if not feeds and PASSED_ON not in request.headers:
            # Every partition hears of every source: a worker without partitions knows nothing, and any other knows all.
            for url in self._others.everyone_else()[:1]:
                return await self._others.pass_on(url, "/feeds")
        return json_answer(as_json({"feeds": feeds}))

    async def _about(self, _: web.Request) -> web.Response:
        now = time.time_ns() // 1000  # noqa: TID251  # so that a page can tell by how much its own clock is wrong
        about = {"reads": "the processor's memory", "stream": True, "now": now, "account": None}
        return json_answer(as_json({**about, "timeframes": self._timeframes}))

    def _must_be_loaded(self, partitions: Iterable[int]) -> None:
        if not self._worker.health()["assigned"]:
            raise Problem(503, "this worker has no assignment yet")
        if not self._hot.loaded.issuperset(partitions):
            raise Problem(503, "the cache is being read back from Kafka")

    def _must_be_known(self, series: str) -> None:
        is_known = series in self._hot or series in self._worker.series()
        self._must_be_loaded([self._others.partition(series)])
        if not is_known:
            raise Problem(404, f"no series {series!r}; /series has them all")

    # Streams

    async def _events(self, request: web.Request) -> web.StreamResponse:
        wanted = list(dict.fromkeys(request.query.getall("series", [])))
        followed = [] if PASSED_ON in request.headers else self._others.concerned(wanted)
        if self._hot.hub.full:
            raise Problem(503, "too many streams are open")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        client = Client(wanted, lambda: _cut(request), feeds=request.query.get("feeds") == "1")
        self._hot.hub.join(client)
        following = [asyncio.create_task(self._follow(url, request.rel_url.raw_path_qs, client)) for url in followed]
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

    async def _follow(self, url: str, page: str, client: Client) -> None:
        await self._others.follow(url, page, client.tell)
        client.end()  # another worker's part has ended, so all of it does: the reader comes back


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


def _limit(request: web.Request) -> int:
    try:
        return limit_of(request.query.get("limit"), MOST)
    except LimitError as error:
        raise Problem(400, str(error)) from error
