"""SHELL (ccxt). One connection by way of the ccxt library: a thread with a loop of its own, whose trades go to the inbox.

The library reconnects by itself, silently, and holds back what comes while nobody waits. So it is not asked for what is new:
its buffer of trades is emptied, at every wake-up and four times a second; and its connections are watched, so that the end of
one ends the link. Its buffer is made large enough that no burst fits between two looks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any

from producer.care import BARRIER
from producer.inbox import Inbox, Kind
from producer.scrub import scrub

# Our choices, with the reason beside each.
CONNECT_S = 20.0  # markets are thousands of rows at some exchanges; then the connection itself
LOOK_S = 0.25
POLL_S = 1.0  # between two rounds of questions, where the exchange has no stream
CLOSE_S = 3.0
CHUNK = 500  # trades a frame
FIELDS = ("id", "symbol", "timestamp", "price", "amount", "side")
_STATUS = {
    "AuthenticationError": 401,
    "PermissionDenied": 403,
    "AccountSuspended": 403,
    "RateLimitExceeded": 429,
    "DDoSProtection": 429,
}


class CcxtLink:
    """One attempt; see `producer.link.Link`. ``make`` makes the exchange's client, new for every attempt."""

    def __init__(self, make: Callable[[], Any], secrets: tuple[str, ...], inbox: Inbox, number: int) -> None:
        self._make = make
        self._secrets = secrets
        self._inbox = inbox
        self.number = number
        self._wanted: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._changed = asyncio.Event()
        self._barrier: bytes | None = None
        self._exchange: Any = None
        self._sockets: set[Any] = set()
        self._is_open = self._is_up = False
        self._seen_us: tuple[int, ...] = ()  # when the connection was found there, the last two times
        self._broken: Exception | None = None
        self._why = "the link broke"  # stays only if something unforeseen is raised, which the thread then reports
        self._status: int | None = None
        self._thread = Thread(target=self._run, name=f"ccxt-{number}", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def send(self, text: str) -> bool:
        """Take a symbol to watch or to leave; it happens with the ping that follows the last of them."""
        return self._in_loop(lambda: self._said(json.loads(text)))

    def ping(self, payload: bytes) -> bool:
        """Begin to watch, if it is the ping after the last symbols; every ping is answered while the connection is there."""
        return self._in_loop(lambda: self._pinged(payload))

    def kill(self) -> None:
        """End it; a read or a question that is under way is given up."""
        self._in_loop(self._stop.set)

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _in_loop(self, action: Callable[[], object]) -> bool:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the loop has ended
            return False
        return True

    def _said(self, wish: dict[str, str]) -> None:
        if "subscribe" in wish:
            self._wanted.append(wish["subscribe"])
        else:
            self._wanted.remove(wish["unsubscribe"])

    def _pinged(self, payload: bytes) -> None:
        if payload.startswith(BARRIER):
            self._barrier = payload
            self._changed.set()
        elif self._is_up:
            self._inbox.put(self.number, "pong", payload)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            # The end of one is found by looking: not at the last look, behind which what ended it may not have been read yet.
            seen_us = self._seen_us[0] if self._seen_us else None
            kind: Kind = "closed" if self._is_open else "failed"
            self._inbox.put(self.number, kind, detail=self._why, http_status=self._status, seen_us=seen_us)

    def _raised(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # The library parses in callbacks: what is raised there ends its reading for good, while it says that it is connected.
        # Of works that were given up it tells here too; that is nothing to us, and no text of theirs belongs into a log unread.
        error = context.get("exception")
        if "handle" in context and isinstance(error, Exception):
            self._broken = error

    async def _serve(self) -> None:
        self._loop.set_exception_handler(self._raised)
        try:
            self._exchange = self._make()
            await asyncio.wait_for(_first(self._exchange.load_markets(), self._stop.wait()), CONNECT_S)
            self._inbox.put(self.number, "opened")
            self._is_open = True
            while not self._stop.is_set():
                # Each time the symbols have been said, those are watched.
                await _first(self._changed.wait(), self._stop.wait())
                self._changed.clear()
                await _first(self._watch(), self._changed.wait(), self._stop.wait())
            self._why = "asked to end"
        except Exception as error:  # the library raises what its parsers meet, TypeError included: it is a peer, not our code
            self._why = self._clean(f"{type(error).__name__}: {error}")[:300]
            self._status = next((code for kind in type(error).__mro__ if (code := _STATUS.get(kind.__name__))), None)
        await self._close()

    async def _watch(self) -> None:
        markets, has = self._exchange.markets, self._exchange.has
        listed = [symbol for symbol in self._wanted if symbol in markets]
        for symbol in self._wanted:
            if symbol not in markets:
                self._put({"refused": symbol})
        if not listed:
            raise ConnectionError("the exchange lists none of the symbols")
        if not (has.get("watchTradesForSymbols") or has.get("watchTrades")):
            await self._ask(listed)
        try:
            if has.get("watchTradesForSymbols"):
                await _first(self._stream(self._exchange.watch_trades_for_symbols, listed), self._look(listed))
            else:
                await _first(*(self._stream(self._exchange.watch_trades, symbol) for symbol in listed), self._look(listed))
        finally:
            self._empty(listed)  # what came before the end came

    async def _stream(self, watch: Callable[[Any], Awaitable[Any]], what: list[str] | str) -> None:
        while True:
            await watch(what)
            self._empty([what] if isinstance(what, str) else what)

    async def _look(self, symbols: list[str]) -> None:
        began_s = monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            self._empty(symbols)
            if self._broken is not None:
                raise self._broken
            for symbol in self._exchange.trades.keys() - set(symbols):
                self._exchange.trades[symbol].clear()  # what is no longer wanted may still come
            sockets = set(self._exchange.clients.values())
            if any(socket.closed() or socket not in sockets for socket in self._sockets):
                raise ConnectionError("the exchange has closed the connection")
            self._seen()
            connected = {socket for socket in sockets if socket.isConnected and not socket.closed()}
            self._sockets |= connected
            if connected and connected == sockets:
                self._now_up()
            elif not self._is_up and monotonic() - began_s > CONNECT_S:
                raise ConnectionError("no connection to the exchange's stream")

    async def _ask(self, symbols: list[str]) -> None:
        pause_s = max(POLL_S, float(self._exchange.rateLimit or 0) / 1000)
        while True:
            for symbol in symbols:
                trades = await self._exchange.fetch_trades(symbol)
                # As one frame, however long: whether it reaches back to the one before is told by the whole of it.
                self._put({"page": symbol, "trades": [_fields(trade) for trade in trades]})
            self._now_up()
            self._seen()
            await asyncio.sleep(pause_s)

    def _seen(self) -> None:
        self._seen_us = (*self._seen_us[-1:], self._inbox.now_us())

    def _now_up(self) -> None:
        self._is_up = True
        if self._barrier is not None:
            self._inbox.put(self.number, "pong", self._barrier)
            self._barrier = None

    def _empty(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            buffer = self._exchange.trades.get(symbol)
            if buffer:
                trades = [_fields(trade) for trade in buffer]
                buffer.clear()
                for at in range(0, len(trades), CHUNK):
                    self._put({"trades": trades[at : at + CHUNK]})

    def _put(self, fields: dict[str, Any]) -> None:
        # Waits while the inbox is full, and the loop with it: what is not read stays with the exchange.
        self._inbox.put(self.number, "data", json.dumps(fields).encode())

    async def _close(self) -> None:
        if self._exchange is not None:
            with suppress(Exception):  # it is given up anyway, in whatever state it is
                await asyncio.wait_for(self._exchange.close(), CLOSE_S)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = scrub(text, secret)
        return text


async def _first(*works: Awaitable[Any]) -> None:
    # Returns when one has ended, or raises what it raised; the others are given up.
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.cancelled():
                raise ConnectionError("the library has given up")  # as it does with all that wait, when a connection ends
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _fields(trade: Any) -> dict[str, Any]:
    return {name: trade.get(name) for name in FIELDS}
