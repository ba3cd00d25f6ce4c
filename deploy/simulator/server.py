"""SHELL (HTTP). The simulator's addresses: the stream at /, candles under /api/v1, control under /_ctl. Loopback only."""

from __future__ import annotations

import time
from collections import deque

from aiohttp import web

from deploy.simulator.candles import RESOLUTIONS, Candles
from deploy.simulator.faults import parse_fault
from deploy.simulator.stream import Stream

PER_MINUTE = 60
PER_SECOND = 30


class Server:
    """Handlers over one stream and its candles."""

    def __init__(self, stream: Stream, candles: Candles, token: str) -> None:
        self._stream = stream
        self._candles = candles
        self._token = token
        self._calls: deque[float] = deque()

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.router.add_get("/", self._stream.serve)
        app.router.add_get("/_ctl/ledger", self._ledger)
        app.router.add_get("/_ctl/summary", self._summary)
        app.router.add_post("/_ctl/fault", self._fault)
        # The official client builds its URLs with a double slash.
        for slashes in ("/", "//"):
            app.router.add_get("/api/v1" + slashes + "{kind:(stock|forex|crypto)}/candle", self._candle)
        return app

    async def _ledger(self, request: web.Request) -> web.Response:
        since = int(request.query.get("since_us", 0))
        symbol = request.query.get("symbol")
        entries = [
            e.as_dict() for e in self._stream.ledger.entries if e.made_us >= since and (symbol is None or e.symbol == symbol)
        ]
        return web.json_response({"entries": entries})

    async def _summary(self, _request: web.Request) -> web.Response:
        return web.json_response(self._stream.ledger.summary())

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            fault = parse_fault(await request.json())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        await self._stream.inject(fault)
        return web.json_response({"injected": fault})

    async def _candle(self, request: web.Request) -> web.Response:
        if (request.query.get("token") or request.headers.get("X-Finnhub-Token")) != self._token:
            return web.json_response({"error": "Invalid API key."}, status=401)
        if not self._is_within_limits(time.monotonic()):
            text = "API limit reached. Please try again later. Remaining Limit: 0"
            return web.json_response({"error": text}, status=429)
        query = request.query
        listing = self._stream.market.listings.get(query.get("symbol", ""))
        try:
            resolution, first_s, last_s = query["resolution"], int(query["from"]), int(query["to"])
        except (KeyError, ValueError):
            return web.json_response({"error": "Wrong arguments"}, status=422)
        if resolution not in RESOLUTIONS:
            return web.json_response({"error": "Wrong resolution"}, status=422)
        if listing is None or listing.kind != request.match_info["kind"]:
            return web.json_response({"s": "no_data"})
        return web.json_response(self._candles.answer(listing, resolution, first_s, last_s))

    def _is_within_limits(self, now_s: float) -> bool:
        while self._calls and self._calls[0] < now_s - 60:
            self._calls.popleft()
        if len(self._calls) >= PER_MINUTE or sum(1 for at in self._calls if at > now_s - 1) >= PER_SECOND:
            return False
        self._calls.append(now_s)
        return True
