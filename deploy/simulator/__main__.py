"""SHELL (process). ``python -m deploy.simulator``: prints one JSON line with its addresses when it is ready."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import time
from collections import deque
from pathlib import Path

from aiohttp import web

from deploy.simulator.candles import Candles
from deploy.simulator.ledger import Entry, Ledger
from deploy.simulator.market import LISTINGS, Market, paced
from deploy.simulator.server import Server
from deploy.simulator.stream import Stream

SETTLED_US = 5_000_000  # after this nothing happens to an entry any more


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulator", description="A fake Finnhub.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; whoever reaches it may inject faults")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same market")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as busy as usual (60 prints a second)")
    parser.add_argument("--token", default="simulator", help="the key that clients have to give")
    parser.add_argument("--ping-seconds", type=float, default=60.0, help="time between ping frames")
    parser.add_argument("--ledger", type=Path, help="file to which every print is written as a line of JSON")
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    candles = Candles(arguments.seed, time.time())
    market = Market(arguments.seed, time.monotonic(), paced(LISTINGS, arguments.pace))
    stream = Stream(market, Ledger(), candles, token=arguments.token, ping_s=arguments.ping_seconds, seed=arguments.seed)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runner = web.AppRunner(Server(stream, candles, arguments.token).application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, arguments.host, arguments.port)
    await site.start()
    port = runner.addresses[0][1]
    address = f"{arguments.host}:{port}"
    ready = {
        "ws": f"ws://{address}",
        "rest": f"http://{address}/api/v1",
        "ctl": f"http://{address}/_ctl",
        "port": port,
        "symbols": list(market.listings),
    }
    print(json.dumps(ready), flush=True)
    tasks = [asyncio.create_task(stream.run())]
    if arguments.ledger is not None:
        stream.settled = deque()
        tasks.append(asyncio.create_task(_write_ledger(arguments.ledger, stream.settled)))
    waiting = [asyncio.create_task(stopped.wait()), *tasks]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await runner.cleanup()
    if stream.settled is not None:
        _append(arguments.ledger, list(stream.settled))
    for task in done:
        with contextlib.suppress(asyncio.CancelledError):
            task.result()  # raises what broke the market, if something did


async def _write_ledger(file: Path, entries: deque[Entry]) -> None:
    while True:
        await asyncio.sleep(1.0)
        before_us = time.time_ns() // 1000 - SETTLED_US
        settled = []
        while entries and entries[0].made_us < before_us:
            settled.append(entries.popleft())
        _append(file, settled)


def _append(file: Path, entries: list[Entry]) -> None:
    with file.open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(entry.as_dict()) + "\n" for entry in entries)


if __name__ == "__main__":
    asyncio.run(_serve(_arguments()))
