"""SHELL (HTTP, clock). The fake vendor's candle requests: key, limits, faults, and a list of everything that was asked."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from deploy.simulator.candles import RESOLUTIONS, Candles
from deploy.simulator.faults import Faults
from deploy.simulator.market import Listing

PER_MINUTE = 60
PER_SECOND = 30
MAX_REQUESTS = 10_000
NO_ACCESS = {
    401: "Invalid API key.",
    403: "You don't have access to this resource.",
    429: "API limit reached. Please try again later. Remaining Limit: 0",
}
_FOREX_VENUES = ("OANDA", "IC MARKETS")  # the vendor lists by exchange, whatever the fake market prints for them


class Rest:
    """Candle requests of one key over a market's listings."""

    def __init__(self, listings: Mapping[str, Listing], candles: Candles, faults: Faults, token: str) -> None:
        self._listings = listings
        self._candles = candles
        self._faults = faults
        self._token = token
        self._calls: deque[float] = deque()
        self._asked = Counter[str]()
        self._seen: deque[dict[str, Any]] = deque(maxlen=MAX_REQUESTS)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Return what was asked so far: market, symbol, from, to (seconds), and how it was answered."""
        return list(self._seen)

    async def candle(self, request: web.Request) -> web.Response:
        """Answer GET .../{kind}/candle as the provider does."""
        status, body, headers = self._answer(request)
        query = request.query
        said = body.get("s", "error") if isinstance(body, dict) else "text"
        self._seen.append(
            {
                "market": request.match_info["kind"],
                "symbol": query.get("symbol"),
                "from": query.get("from"),
                "to": query.get("to"),
                "status": status,
                "said": said,
            }
        )
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    def _answer(self, request: web.Request) -> tuple[int, dict[str, Any] | str, dict[str, str]]:
        now_s, kind, query = time.monotonic(), request.match_info["kind"], request.query
        if (query.get("token") or request.headers.get("X-Finnhub-Token")) != self._token:
            return 401, {"error": NO_ACCESS[401]}, {}
        if not self._is_within_limits(now_s):
            return 429, {"error": NO_ACCESS[429]}, {}
        refused = self._faults.active("rest_refuse", now_s)
        if refused is not None and refused["market"] in (None, kind):
            status, after = int(refused["status"]), refused["retry_after"]
            return status, {"error": NO_ACCESS.get(status, "broken")}, {} if after is None else {"Retry-After": str(after)}
        if self._faults.active("rest_text", now_s) is not None:
            return 200, "API limit reached. Please sign up for a key", {}
        try:
            symbol, resolution, first_s, last_s = query["symbol"], query["resolution"], int(query["from"]), int(query["to"])
        except (KeyError, ValueError):
            return 422, {"error": "Wrong arguments"}, {}
        if resolution not in RESOLUTIONS:
            return 422, {"error": "Wrong resolution"}, {}
        listing = self._listings.get(symbol)
        self._asked[symbol] += 1
        flaps = self._faults.active("rest_flap", now_s) is not None and self._asked[symbol] % 2 == 1
        if listing is None or _market_of(listing) != kind or flaps:
            return 200, {"s": "no_data"}, {}
        if (cut := self._faults.active("rest_cut", now_s)) is not None:
            first_s = max(first_s, last_s - cut["minutes"] * 60)
        return 200, self._candles.answer(listing, resolution, first_s, last_s), {}

    def _is_within_limits(self, now_s: float) -> bool:
        while self._calls and self._calls[0] < now_s - 60:
            self._calls.popleft()
        if len(self._calls) >= PER_MINUTE or sum(1 for at in self._calls if at > now_s - 1) >= PER_SECOND:
            return False
        self._calls.append(now_s)
        return True


def _market_of(listing: Listing) -> str:
    return "forex" if listing.symbol.partition(":")[0] in _FOREX_VENUES else listing.kind
