"""SHELL (HTTP). The fake IG's REST pages that a price feed needs: session, application, markets, prices."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from deploy.simulator.ig_accounts import RestError
from deploy.simulator.ig_market import Epic
from deploy.simulator.ig_venue import Venue

BASE = "/gateway/deal"
MAX_PAGE = 500
_Handler = Callable[[web.Request], Awaitable[web.Response]]


class Rest:
    """Handlers over one venue. `streaming` is the address that a login tells."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.streaming = ""

    def routes(self, app: web.Application) -> None:
        """Add the pages."""
        for method, path, handler in (
            ("POST", "/session", self._login),
            ("GET", "/session", self._session),
            ("PUT", "/session", self._switch),
            ("DELETE", "/session", self._logout),
            ("GET", "/operations/application", self._application),
            ("GET", "/markets", self._markets),
            ("GET", "/markets/{epic}", self._market),
            ("GET", "/prices/{epic}", self._prices),
        ):
            app.router.add_route(method, BASE + path, self._guarded(handler, is_login=(method, path) == ("POST", "/session")))

    def _guarded(self, handler: _Handler, *, is_login: bool) -> _Handler:
        async def answer(request: web.Request) -> web.Response:
            venue = self._venue
            code, until_s = venue.rest_code
            venue.ledger.request("rest", page=request.path.removeprefix(BASE), method=request.method, query=dict(request.query))
            try:
                if time.monotonic() < until_s:
                    raise RestError(code, "system.error" if code >= 500 else "error.public-api.exceeded-api-key-allowance")
                venue.accounts.call(request.headers.get("X-IG-API-KEY"), venue.now_s())
                if not is_login:
                    venue.accounts.check(request.headers.get("CST"), request.headers.get("X-SECURITY-TOKEN"), venue.now_s())
                return await handler(request)
            except RestError as error:
                return web.json_response({"errorCode": error.code}, status=error.status)

        return answer

    async def _login(self, request: web.Request) -> web.Response:
        venue = self._venue
        if request.headers.get("VERSION") != "2":
            raise RestError(400, "invalid.input")
        try:
            body = await request.json()
            identifier, password = body["identifier"], body["password"]
        except (ValueError, KeyError, TypeError):
            raise RestError(400, "invalid.input") from None
        cst, xst = venue.accounts.login(identifier, password, venue.now_s())
        answer = {
            "accountType": "CFD",
            "accountInfo": {"balance": 1000.0, "deposit": 0.0, "profitLoss": 0.0, "available": 1000.0},
            "currencyIsoCode": "EUR",
            "currentAccountId": venue.accounts.account,
            "lightstreamerEndpoint": self.streaming,
            "clientId": "100000000",
            "timezoneOffset": 0,
            "accounts": [
                {"accountId": name, "accountName": name, "preferred": name == venue.accounts.account, "accountType": "CFD"}
                for name in (venue.accounts.account, venue.accounts.second)
            ],
            "reroutingEnvironment": None,
            "dealingEnabled": True,
        }
        venue.ledger.count("logins")
        return web.json_response(answer, headers={"CST": cst, "X-SECURITY-TOKEN": xst})

    async def _session(self, _request: web.Request) -> web.Response:
        account = self._venue.accounts.account
        return web.json_response({"accountId": account, "clientId": "100000000", "lightstreamerEndpoint": self.streaming})

    async def _switch(self, request: web.Request) -> web.Response:
        try:
            account = (await request.json())["accountId"]
        except (ValueError, KeyError, TypeError):
            raise RestError(400, "invalid.input") from None
        token = self._venue.accounts.switch(request.headers["CST"], account, self._venue.now_s())
        return web.json_response({"dealingEnabled": True}, headers={"X-SECURITY-TOKEN": token})

    async def _logout(self, request: web.Request) -> web.Response:
        self._venue.accounts.tokens.pop(request.headers["CST"], None)
        self._venue.ledger.count("logouts")
        return web.Response(status=204)

    async def _application(self, _request: web.Request) -> web.Response:
        accounts = self._venue.accounts
        limits = {
            "status": "ENABLED",
            "concurrentSubscriptionsLimit": 40,
            "allowanceApplicationOverall": accounts.per_minute,
            "allowanceAccountOverall": accounts.per_minute,
            "allowanceAccountTrading": 100,
            "allowanceAccountHistoricalData": accounts.points,
        }
        return web.json_response([limits])

    async def _markets(self, request: web.Request) -> web.Response:
        known = self._venue.market.epics
        names = request.query.get("epics", "").split(",")
        return web.json_response({"marketDetails": [self._details(known[name]) for name in names if name in known]})

    async def _market(self, request: web.Request) -> web.Response:
        return web.json_response(self._details(self._epic(request)))

    def _epic(self, request: web.Request) -> Epic:
        epic = self._venue.market.epics.get(request.match_info["epic"])
        if epic is None:
            raise RestError(404, "error.service.marketdata.instrument.epic.unavailable")
        return epic

    def _details(self, epic: Epic) -> dict[str, Any]:
        last = self._venue.market.last[epic.name]
        snapshot = {"marketStatus": "TRADEABLE", "bid": last.bid, "offer": last.ask, "delayTime": 0}
        return {
            "instrument": {"epic": epic.name, "type": epic.kind, "streamingPricesAvailable": True},
            "snapshot": {**snapshot, "scalingFactor": epic.scaling, "decimalPlacesFactor": epic.digits},
        }

    async def _prices(self, request: web.Request) -> web.Response:
        venue, query = self._venue, request.query
        if request.headers.get("VERSION") != "3" or query.get("resolution", "MINUTE") != "MINUTE":
            raise RestError(400, "invalid.input")
        epic = venue.market.epics.get(request.match_info["epic"])
        if epic is None:
            raise RestError(404, "error.price-history.io-error")
        try:
            limit, page_size, page = int(query.get("max", 10)), int(query.get("pageSize", 20)), int(query.get("pageNumber", 1))
            span = [_seconds(query[name]) for name in ("from", "to")] if "from" in query else None
        except (ValueError, KeyError):
            raise RestError(400, "error.request.invalid.date-range") from None
        if span is not None and span[0] > span[1]:
            raise RestError(400, "error.request.invalid.date-range")
        prices = (
            venue.candles.newest(epic, limit, time.time())
            if span is None
            else venue.candles.between(epic, span[0], min(span[1], int(time.time())))
        )
        if span is not None and "max" in query:
            prices = prices[-limit:]
        size = page_size or max(1, len(prices))
        pages = max(1, -(-len(prices) // size))
        shown = prices[(page - 1) * size : page * size]
        left, expiry = venue.accounts.charge(len(shown), venue.now_s())
        metadata = {
            "allowance": {"remainingAllowance": left, "totalAllowance": venue.accounts.points, "allowanceExpiry": expiry},
            "size": len(prices),
            "pageData": {"pageSize": size, "pageNumber": page, "totalPages": pages},
        }
        return web.json_response({"prices": shown, "instrumentType": epic.kind, "metadata": metadata})


def _seconds(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
