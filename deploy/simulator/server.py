"""SHELL (HTTP). The simulator's addresses: the stream at /, candles under /api/v1, control under /_ctl. Loopback only."""

from __future__ import annotations

from aiohttp import web

from deploy.simulator.candles import Candles
from deploy.simulator.faults import parse_fault
from deploy.simulator.rest import Rest
from deploy.simulator.stream import Stream


class Server:
    """Handlers over one stream and its candles."""

    def __init__(self, stream: Stream, candles: Candles, token: str) -> None:
        self._stream = stream
        self._rest = Rest(stream.market.listings, candles, stream.faults, token)

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application()
        app.router.add_get("/", self._stream.serve)
        app.router.add_get("/_ctl/ledger", self._ledger)
        app.router.add_get("/_ctl/summary", self._summary)
        app.router.add_post("/_ctl/fault", self._fault)
        app.router.add_get("/_ctl/requests", self._requests)
        # The official client builds its URLs with a double slash.
        for slashes in ("/", "//"):
            app.router.add_get("/api/v1" + slashes + "{kind:(stock|forex|crypto)}/candle", self._rest.candle)
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

    async def _requests(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": self._rest.requests})

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            fault = parse_fault(await request.json())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        await self._stream.inject(fault)
        return web.json_response({"injected": fault})
