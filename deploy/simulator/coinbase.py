"""SHELL (process, HTTP). ``python -m deploy.simulator.coinbase``: a fake Coinbase Exchange; prints its addresses when ready.

The feed is at /, REST under /products, control under /_ctl, as for the fake Finnhub.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time
from datetime import datetime
from typing import Any

from aiohttp import web

from deploy.simulator.coinbase_book import GRANULARITIES, LISTINGS, MAX_ROWS, PAGE, Book
from deploy.simulator.coinbase_faults import parse_fault
from deploy.simulator.coinbase_stream import CoinbaseStream
from deploy.simulator.ledger import Ledger
from deploy.simulator.market import Market, paced

PER_SECOND, BURST = 10.0, 15.0


class CoinbaseServer:
    """Handlers over one feed and its book."""

    def __init__(self, stream: CoinbaseStream) -> None:
        self._stream = stream
        self._book = stream.book
        self._tokens, self._refilled_s = BURST, time.monotonic()

    def application(self) -> web.Application:
        """Return the web application."""
        app = web.Application(middlewares=[self._rest])
        app.router.add_get("/", self._stream.serve)
        app.router.add_get("/_ctl/ledger", self._ledger)
        app.router.add_get("/_ctl/summary", self._summary)
        app.router.add_post("/_ctl/fault", self._fault)
        app.router.add_get("/products", self._products)
        app.router.add_get("/currencies", self._currencies)
        app.router.add_get("/products/{id}/trades", self._trades)
        app.router.add_get("/products/{id}/candles", self._candles)
        return app

    @web.middleware
    async def _rest(self, request: web.Request, handler: Any) -> web.StreamResponse:
        refused = self._refusal(request) if request.path.startswith(("/products", "/currencies")) else None
        answer: web.StreamResponse = refused or await handler(request)
        return answer

    def _refusal(self, request: web.Request) -> web.Response | None:
        self._stream.ledger.count("rest_requests")
        now_s = time.monotonic()
        fault = self._stream.faults.active("rest", now_s)
        if fault is not None:
            headers = {} if fault["retry_after"] is None else {"Retry-After": str(fault["retry_after"])}
            return web.json_response({"message": "refused by a fault"}, status=fault["status"], headers=headers)
        self._tokens = min(BURST, self._tokens + (now_s - self._refilled_s) * PER_SECOND)
        self._refilled_s = now_s
        if self._tokens < 1:
            self._stream.ledger.count("rest_limited")
            return web.json_response({"message": "Public rate limit exceeded"}, status=429)
        self._tokens -= 1
        if "id" in request.match_info and request.match_info["id"] not in self._book.listings:
            return web.json_response({"message": "NotFound"}, status=404)
        return None

    async def _ledger(self, request: web.Request) -> web.Response:
        symbol = request.query.get("symbol")
        return web.json_response(
            {"entries": [e.as_dict() for e in self._stream.ledger.entries if symbol is None or e.symbol == symbol]}
        )

    async def _summary(self, _request: web.Request) -> web.Response:
        return web.json_response(self._stream.ledger.summary())

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            fault = parse_fault(await request.json())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        await self._stream.inject(fault)
        return web.json_response({"injected": fault})

    async def _products(self, _request: web.Request) -> web.Response:
        return web.json_response([_product(symbol, listing.digits) for symbol, listing in self._book.listings.items()])

    async def _currencies(self, _request: web.Request) -> web.Response:
        names = sorted({part for symbol in self._book.listings for part in symbol.split("-")})
        return web.json_response([_currency(name) for name in names])

    async def _trades(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            limit = int(query.get("limit", PAGE))
            after, before = (int(query[name]) if name in query else None for name in ("after", "before"))
        except ValueError:
            return web.json_response({"message": "Bad request"}, status=400)
        if not 0 < limit <= PAGE:
            return web.json_response({"message": "limit has to be 1 to 1000"}, status=400)
        page = self._book.page(request.match_info["id"], limit, after, before)
        headers = {"CB-BEFORE": str(page[0]["trade_id"]), "CB-AFTER": str(page[-1]["trade_id"])} if page else {}
        return web.json_response(page, headers=headers)

    async def _candles(self, request: web.Request) -> web.Response:
        query = request.query
        try:
            granularity = int(query["granularity"])
            first_s, last_s = _seconds(query.get("start")), _seconds(query.get("end"))
        except (KeyError, ValueError):
            return web.json_response({"message": "Bad request"}, status=400)
        if granularity not in GRANULARITIES or (first_s is None) != (last_s is None):
            return web.json_response({"message": "Unsupported granularity, or start without end"}, status=400)
        if first_s is None or last_s is None:
            last_s = int(time.time())
            first_s = last_s - granularity * (MAX_ROWS - 1)
        if (last_s - first_s) // granularity + 1 > MAX_ROWS:
            return web.json_response({"message": f"granularity too small: more than {MAX_ROWS} rows"}, status=400)
        return web.json_response(self._book.rows(request.match_info["id"], granularity, first_s, last_s))


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if text.isdecimal() else int(datetime.fromisoformat(text).timestamp())


def _product(symbol: str, digits: int) -> dict[str, Any]:
    base, quote = symbol.split("-")
    step = f"{10**-digits:.{digits}f}"
    return {
        "id": symbol,
        "base_currency": base,
        "quote_currency": quote,
        "quote_increment": step,
        "base_increment": "0.00000001",
        "display_name": f"{base}/{quote}",
        "min_market_funds": "1",
        "margin_enabled": False,
        "post_only": False,
        "limit_only": False,
        "cancel_only": False,
        "status": "online",
        "status_message": "",
        "trading_disabled": False,
        "fx_stablecoin": False,
        "max_slippage_percentage": "0.02",
        "auction_mode": False,
    }


def _currency(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "min_size": "0.00000001",
        "status": "online",
        "message": "",
        "max_precision": "0.00000001",
        "convertible_to": [],
        "details": {"type": "crypto", "symbol": None, "network_confirmations": 1, "min_withdrawal_amount": 0},
        "default_network": "",
        "supported_networks": [],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulator.coinbase", description="A fake Coinbase on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same market")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as busy as usual (30 trades a second)")
    parser.add_argument("--heartbeat-seconds", type=float, default=1.0, help="time between heartbeats")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    book = Book(arguments.seed, time.time(), paced(LISTINGS, arguments.pace))
    market = Market(arguments.seed, time.monotonic(), tuple(book.listings.values()))
    stream = CoinbaseStream(market, book, Ledger(), heartbeat_s=arguments.heartbeat_seconds, seed=arguments.seed)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(CoinbaseServer(stream).application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", arguments.port).start()
    port = runner.addresses[0][1]
    address = f"127.0.0.1:{port}"
    ready = {
        "ws": f"ws://{address}",
        "rest": f"http://{address}",
        "ctl": f"http://{address}/_ctl",
        "port": port,
        "symbols": list(book.listings),
    }
    print(json.dumps(ready), flush=True)
    waiting = [asyncio.create_task(stopped.wait()), asyncio.create_task(stream.run())]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await runner.cleanup()
    for task in done:
        with contextlib.suppress(asyncio.CancelledError):
            task.result()  # raises what broke the market, if something did


if __name__ == "__main__":
    asyncio.run(_serve(_arguments()))
