"""SHELL (WebSocket). The venue's clock and its connections: what is due goes out, or into the ledger as lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from random import Random
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from deploy.simulator.candles import Candles
from deploy.simulator.faults import Faults
from deploy.simulator.ledger import Entry, Ledger
from deploy.simulator.market import Market, Print

TICK_S = 0.02
MAX_SYMBOLS = 50
QUEUE_FRAMES = 10_000  # a client that reads too slowly is cut off, as venues do
UNIQUE_S = 15.0
LONG_NAME = 1_200_000
Content = tuple[Any, ...]


class Client:
    """One open connection. Frames go through a queue, so that a slow reader does not stop the market."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self.socket = socket
        self.transport = transport
        self.symbols: set[str] = set()
        self.queue: asyncio.Queue[tuple[str, list[Entry]]] = asyncio.Queue(QUEUE_FRAMES)
        self.silent_until_s = 0.0
        self.is_leaving = False

    def cut(self, how: str = "fin") -> None:
        """End the connection without a close frame; rst drops what is still on its way."""
        if isinstance(self.transport, asyncio.Transport):
            if how == "rst":
                self.transport.abort()
            else:
                self.transport.close()


class Stream:
    """The fake Finnhub stream. ``run`` is the market's loop; ``serve`` answers one WebSocket request."""

    def __init__(self, market: Market, ledger: Ledger, candles: Candles, *, token: str, ping_s: float, seed: int) -> None:
        self.market = market
        self.ledger = ledger
        self.faults = Faults()
        self.settled: deque[Entry] | None = None
        self._candles = candles
        self._token = token
        self._ping_s = ping_s
        self._random = Random(seed)  # noqa: S311 - a market, not a secret
        self._clients: set[Client] = set()
        self._asked: set[str] = set()
        self._recent: dict[Content, float] = {}
        self._last_ms = 0

    async def run(self) -> None:
        """Let time pass until cancelled."""
        next_ping = time.monotonic() + self._ping_s
        while True:
            self._step(time.monotonic())
            if time.monotonic() >= next_ping:
                next_ping += self._ping_s
                self._broadcast('{"type":"ping"}')
            await asyncio.sleep(TICK_S)

    async def inject(self, fault: dict[str, Any]) -> None:
        """Begin a fault; a drop returns when the connections are cut, with all that was sent before delivered."""
        now_s = time.monotonic()
        self.ledger.fault(fault, time.time_ns() // 1000)
        self.faults.add(fault, now_s)
        if fault["kind"] == "silent":
            for client in self._clients:
                client.silent_until_s = now_s + fault["seconds"]
        if fault["kind"] == "drop":
            for client in list(self._clients):
                client.is_leaving = True
                if fault["how"] != "rst":
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(client.queue.join(), 2.0)
                if fault["how"] == "close":
                    await client.socket.close(code=WSCloseCode.GOING_AWAY)
                client.cut(fault["how"])

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a handshake, then obey subscriptions until the connection ends."""
        now_s = time.monotonic()
        if request.query.get("token") != self._token:
            return web.Response(status=401, text="Unauthorized")
        refused = self.faults.active("refuse", now_s) or self.faults.active("drop", now_s)
        if refused is not None:
            headers = {} if refused["retry_after"] is None else {"Retry-After": str(refused["retry_after"])}
            return web.Response(status=refused["status"], headers=headers, text="refused by a fault")
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        client = Client(socket, request.transport)
        self.ledger.count("connections")
        if self._clients:
            # Two connections with one key: Finnhub drops both.
            for other in [*self._clients, client]:
                other.is_leaving = True
                other.cut()
            self.ledger.count("double_connections")
            return socket
        self._clients.add(client)
        sender = asyncio.create_task(self._send(client))
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._obey(client, message.data)
                elif message.type is WSMsgType.PING and time.monotonic() >= client.silent_until_s:
                    await socket.pong(message.data)
        except (ConnectionError, RuntimeError):
            pass  # the connection was cut under our hands
        finally:
            self._clients.discard(client)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
            while not client.queue.empty():
                for entry in client.queue.get_nowait()[1]:
                    if not entry.times:
                        self.ledger.never_sent(entry, "closed")
        return socket

    def _obey(self, client: Client, text: str | bytes) -> None:
        try:
            wish = json.loads(text)
            kind, symbol = wish["type"], str(wish.get("symbol"))
        except (ValueError, KeyError, TypeError, AttributeError):
            kind, symbol = "unknown", ""
        if kind == "subscribe":
            if symbol not in client.symbols and len(client.symbols) >= MAX_SYMBOLS:
                self._queue(client, '{"msg":"Subscribing to too many symbols","type":"error"}', [])
                return
            client.symbols.add(symbol)
            self._asked.add(symbol)
        elif kind == "unsubscribe":
            client.symbols.discard(symbol)
            self._asked.discard(symbol)
        elif kind != "pong":
            self._queue(client, '{"msg":"Invalid message","type":"error"}', [])

    async def _send(self, client: Client) -> None:
        while True:
            text, entries = await client.queue.get()
            try:
                await client.socket.send_str(text)
            except (ConnectionError, RuntimeError):
                for entry in entries:
                    if not entry.times:
                        self.ledger.never_sent(entry, "closed")
            else:
                now_us = time.time_ns() // 1000
                for entry in entries:
                    self.ledger.sent(entry, now_us)
            finally:
                client.queue.task_done()

    def _queue(self, client: Client, text: str, entries: list[Entry]) -> None:
        try:
            client.queue.put_nowait((text, entries))
        except asyncio.QueueFull:
            client.cut("rst")
            for entry in entries:
                if not entry.times:
                    self.ledger.never_sent(entry, "slow_client")

    def _broadcast(self, text: str) -> None:
        for client in self._clients:
            if time.monotonic() >= client.silent_until_s and not client.is_leaving:
                self._queue(client, text, [])

    def _step(self, now_s: float) -> None:
        made = self._make(now_s)
        listed = [(entry, element) for entry, element in made if entry.symbol in self._asked]
        for entry, _ in listed:
            self.ledger.made(entry)
            if self.settled is not None:
                self.settled.append(entry)
        client = next(iter(self._clients), None)
        why = self._why_lost(client, now_s)
        if client is None or why:
            for entry, _ in listed:
                self.ledger.never_sent(entry, why)
            return
        going = [(entry, element) for entry, element in listed if entry.symbol in client.symbols]
        for entry, _ in listed:
            if entry.symbol not in client.symbols:
                self.ledger.never_sent(entry, "not_subscribed")
        repeat = self.faults.active("repeat", now_s)
        for entries, text in self._frames(going):
            for _ in range(repeat["times"] if repeat else 1):
                self._queue(client, text, entries)
        for kind in self.faults.take_once():
            self._send_bad(client, kind)

    def _why_lost(self, client: Client | None, now_s: float) -> str:
        if client is None:
            return "no_connection"
        if client.is_leaving:
            return "dropped"
        if now_s < client.silent_until_s:
            return "silent"
        return "pings_only" if self.faults.active("pings_only", now_s) else ""

    def _make(self, now_s: float) -> list[tuple[Entry, dict[str, Any]]]:
        # One step has one time, later than the step before: equal trades of different steps differ in it, as a client without
        # ids can tell only twins within one frame from repeats.
        now_us = time.time_ns() // 1000
        now_ms = self._last_ms = max(now_us // 1000, self._last_ms + 1)
        for content in [c for c, until in self._recent.items() if until < now_s]:
            del self._recent[content]
        shuffle = self.faults.active("shuffle", now_s)
        made: list[tuple[Entry, dict[str, Any]]] = []
        step: dict[Content, float] = {}
        due = self.market.due(now_s)
        for tick in [] if self.faults.active("pause", now_s) else due:
            t = now_ms - (self._random.randrange(shuffle["spread_ms"] + 1) if shuffle else 0)
            if tick.twin_of_last and made:
                t = made[-1][0].t
            else:
                while (tick.symbol, t, tick.p, tick.v) in self._recent or (tick.symbol, t, tick.p, tick.v) in step:
                    t -= 1
            step[tick.symbol, t, tick.p, tick.v] = now_s + UNIQUE_S
            self._candles.add(tick.symbol, t, tick.p, tick.v)
            made.append((Entry(tick.symbol, t, tick.p, tick.v, now_us), self._element(tick, t)))
        self._recent |= step
        return made

    def _element(self, tick: Print, t: int) -> dict[str, Any]:
        # The shapes in which real frames come: codes as a list, null or absent, whole volumes as integers.
        whole = int(tick.v) if tick.v == int(tick.v) else tick.v
        element: dict[str, Any] = {"p": tick.p, "s": tick.symbol, "t": t, "v": whole}
        if tick.c is not None:
            return {"c": list(tick.c), **element}
        return {"c": None, **element} if t % 2 else element

    def _frames(self, going: list[tuple[Entry, dict[str, Any]]]) -> list[tuple[list[Entry], str]]:
        # At times one symbol a frame, mostly mixed ones; a symbol's prints of one step are never split.
        if not going:
            return []
        if self._random.random() < 0.2:
            groups = [[pair for pair in going if pair[0].symbol == s] for s in dict.fromkeys(e.symbol for e, _ in going)]
        else:
            groups = [going]
        return [
            ([e for e, _ in g], json.dumps({"data": [d for _, d in g], "type": "trade"}, separators=(",", ":"))) for g in groups
        ]

    def _send_bad(self, client: Client, kind: str) -> None:
        if kind == "malformed":
            self._queue(client, '{"data":[{"p":1.0,"s":"BROKEN', [])
            self.ledger.count("malformed_sent")
        else:
            symbol, price = (min(client.symbols, default="AAPL"), -1.0) if kind == "bad_price" else ("X" * LONG_NAME, 1.0)
            bad = {"c": None, "p": price, "s": symbol, "t": self._last_ms, "v": 1}
            self._queue(client, json.dumps({"data": [bad], "type": "trade"}), [])
            self.ledger.count("bad_sent")
