"""SHELL (process, WebSocket). ``python -m tests.bench.flood finnhub 600000 50``: a venue that is never the bottleneck.

Everything it will send is made before it listens. It says its address, waits for a line on standard input, sends as fast as the
peer reads (or 30,000 trades a second, in bursts), and says when the first and the last left. Pings are answered, as a venue does.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from aiohttp import WSMsgType, web

SYMBOLS = tuple(f"BENCH{n}" for n in range(50))
PRODUCTS = ("BTC-USD", "ETH-USD")
SPREAD_MS = 20_000
"""Of the event times. They begin at the start: old ones are not of the present, far ones are refused."""
CHUNK = 64 << 10
WAITING = 4 << 20  # bytes on their way in this process; beyond, the peer's reading sets the pace


def finnhub(trades: int, a_frame: int) -> Iterator[tuple[int, bytes]]:
    """Yield frames of `a_frame` trades, no two alike, each with its number of trades."""
    begin_ms = time.time_ns() // 1_000_000
    codes = ('["1","8"]', '["1","8","24","12"]', "null")
    for first in range(0, trades, a_frame):
        data = ",".join(
            f'{{"c":{codes[n % 3]},"p":{100 + n % 9973 / 100},"s":"{SYMBOLS[n % 50]}",'
            f'"t":{begin_ms + n * SPREAD_MS // trades},"v":{1 + n % 1009 / 8}}}'
            for n in range(first, min(first + a_frame, trades))
        )
        yield min(a_frame, trades - first), f'{{"data":[{data}],"type":"trade"}}'.encode()


def coinbase(trades: int, a_frame: int) -> Iterator[tuple[int, bytes]]:
    """Yield matches with contiguous ids, one a frame, which is the only way there is."""
    begin_us = time.time_ns() // 1000
    orders = '"maker_order_id":"f07e1f5b-5a3c-4d4c-9d1e-0c8b2f6a7e11","taker_order_id":"55c8a0f1-2b7d-4e5f-8a9b-1c2d3e4f5a6b"'
    for n in range(0, trades, a_frame):
        at = datetime.fromtimestamp((begin_us + n * SPREAD_MS * 1000 // trades) / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        product, number = PRODUCTS[n % 2], 1000 + n // 2
        yield (
            1,
            f'{{"type":"match","trade_id":{number},{orders},"side":"{("sell", "buy")[n % 2]}","size":"{1 + n % 1009 / 8}",'
            f'"price":"{80000 + n % 9973 / 100}","product_id":"{product}","sequence":{number * 7},"time":"{at}"}}'.encode(),
        )


KINDS: dict[str, Callable[[int, int], Iterator[tuple[int, bytes]]]] = {"finnhub": finnhub, "coinbase": coinbase}


def framed(payload: bytes) -> bytes:
    """Return a text frame of a server, as RFC 6455 writes it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return (struct.pack("!BBH", 0x81, 126, size) if size < 65536 else struct.pack("!BBQ", 0x81, 127, size)) + payload


class Flood:
    """What is to be sent: pieces of whole frames, each with the trades that are sent when it is."""

    def __init__(self, frames: Iterator[tuple[int, bytes]], per_s: int) -> None:
        self.per_s = per_s
        self.pieces: list[tuple[int, bytes]] = []
        trades, piece = 0, bytearray()
        for count, payload in frames:
            trades += count
            piece += framed(payload)
            if len(piece) >= CHUNK:
                self.pieces.append((trades, bytes(piece)))
                piece.clear()
        self.pieces.append((trades, bytes(piece)))
        self.go = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send everything once after `go`, and answer what comes."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        sending = asyncio.create_task(self._send(request.transport))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._answer(socket, json.loads(message.data))
        sending.cancel()
        return socket

    async def _answer(self, socket: web.WebSocketResponse, wish: dict[str, object]) -> None:
        if "channels" in wish:  # Coinbase names what is subscribed
            channels = [{"name": "matches", "product_ids": list(PRODUCTS)}]
            await socket.send_str(json.dumps({"type": "subscriptions", "channels": channels}))

    async def _send(self, transport: asyncio.BaseTransport | None) -> None:
        assert isinstance(transport, asyncio.Transport)
        await self.go.wait()
        began_s = time.time()
        sent = 0
        for trades, piece in self.pieces:
            if self.per_s and (early_s := began_s + sent / self.per_s - time.time()) > 0:
                await asyncio.sleep(early_s)
            while transport.get_write_buffer_size() > WAITING:
                await asyncio.sleep(0.001)
            transport.write(piece)
            sent = trades
        while transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        print(json.dumps({"began_s": began_s, "sent_s": time.time()}), flush=True)  # noqa: T201 - for the parent


async def _serve(kind: str, trades: int, a_frame: int, per_s: int) -> None:
    flood = Flood(KINDS[kind](trades, a_frame), per_s)
    app = web.Application()
    app.router.add_get("/", flood.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"ws": f"ws://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)  # noqa: T201 - for the parent
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if line.strip() == "go":
            flood.go.set()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
