"""SHELL (process, HTTP). ``python -m deploy.simulator.ig``: a fake IG on loopback; prints one JSON line when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time
from dataclasses import replace
from random import Random
from typing import Any

from aiohttp import web

from deploy.simulator.ig_accounts import Accounts
from deploy.simulator.ig_candles import IgCandles
from deploy.simulator.ig_faults import parse_fault
from deploy.simulator.ig_ledger import IgLedger
from deploy.simulator.ig_market import EPICS, IgMarket
from deploy.simulator.ig_rest import Rest
from deploy.simulator.ig_venue import Venue

ACCOUNT = "SIM01"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulator.ig", description="A fake IG on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same market")
    parser.add_argument("--identifier", default="simulator", help="the user that may log in")
    parser.add_argument("--password", default="simulator", help="the user's password")
    parser.add_argument("--api-key", default="simulator", help="the key of the application")
    parser.add_argument("--account", default=ACCOUNT, help="the account's id")
    parser.add_argument("--points", type=int, default=10_000, help="historical prices a week")
    parser.add_argument("--pace", type=float, default=1.0, help="quotes come so many times faster")
    parser.add_argument("--scale", type=float, default=1.0, help="the schedule (LOOPs, tokens, weeks) runs so many times faster")
    parser.add_argument("--loop-seconds", type=float, default=0.0, help="seconds of the schedule between LOOPs; 0 = none")
    parser.add_argument("--token-seconds", type=float, default=6 * 3600.0, help="seconds of the schedule a token lives unused")
    parser.add_argument("--keepalive-ms", type=int, default=2000, help="silence after which the stream says that it lives")
    return parser.parse_args()


class Control:
    """Handlers of /_ctl: faults in, ledger and sums out."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self, app: web.Application) -> None:
        """Add the pages."""
        app.router.add_post("/_ctl/fault", self._fault)
        app.router.add_get("/_ctl/ledger", self._ledger)
        app.router.add_get("/_ctl/summary", self._summary)
        app.router.add_get("/_ctl/requests", self._requests)

    async def _fault(self, request: web.Request) -> web.Response:
        try:
            fault = parse_fault(await request.json())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        await self._venue.inject(fault)
        return web.json_response({"injected": fault})

    async def _ledger(self, _request: web.Request) -> web.Response:
        return web.json_response({"entries": [entry.as_dict() for entry in self._venue.ledger.entries]})

    async def _summary(self, _request: web.Request) -> web.Response:
        return web.json_response(self._venue.ledger.summary())

    async def _requests(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": list(self._venue.ledger.requests)})


def make_venue(arguments: argparse.Namespace) -> Venue:
    """Return the venue that the arguments ask for."""
    accounts = Accounts(
        arguments.identifier,
        arguments.password,
        arguments.api_key,
        arguments.account,
        Random(arguments.seed),  # noqa: S311 - tokens of a game
        token_s=arguments.token_seconds,
        points=arguments.points,
    )
    return Venue(
        IgMarket(arguments.seed, time.monotonic(), [replace(e, per_second=e.per_second * arguments.pace) for e in EPICS]),
        IgCandles(arguments.seed, time.time()),
        accounts,
        IgLedger(),
        scale=arguments.scale,
        loop_s=arguments.loop_seconds,
        keepalive_ms=arguments.keepalive_ms,
    )


async def _serve(arguments: argparse.Namespace) -> None:
    venue = make_venue(arguments)
    app = web.Application()
    venue.streams.routes(app)
    Control(venue).routes(app)
    rest = Rest(venue)
    rest.routes(app)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", arguments.port).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    rest.streaming = address
    ready: dict[str, Any] = {
        "rest": f"{address}/gateway/deal",
        "ctl": f"{address}/_ctl",
        "account": arguments.account,
        "symbols": list(venue.market.epics),
    }
    print(json.dumps(ready), flush=True)
    tasks = [asyncio.create_task(venue.run()), asyncio.create_task(stopped.wait())]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await runner.cleanup()
    for task in done:
        with contextlib.suppress(asyncio.CancelledError):
            task.result()  # raises what broke the market, if something did


if __name__ == "__main__":
    asyncio.run(_serve(_arguments()))
