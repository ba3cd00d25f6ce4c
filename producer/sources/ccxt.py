"""PURE. Trades as ccxt unifies them, whatever exchange they come from. Nothing here proves that none is missing.

A frame is made by the link out of what the library gave: {"trades": [...]}, with "page": symbol where it is the answer to a
question and not a stream. Source of the fields: the library's manual, "Trade structure" (read 2026-11, version 4.5).
"""

from __future__ import annotations

import json
from math import inf
from typing import Any, Literal

from producer.errors import RemoteError
from producer.repeats import FrameMemory
from producer.sources.frames import element_text, parsed
from producer.sources.protocol import Ignored, Refused, Repeated, SourceEvent, VenueError
from producer.sources.wanted import Wanted
from schemas.records import IdOrder, Loss, Side, Trade
from schemas.timeframes import DAY, MINUTE, SECOND

# Our choices: older or newer is a wrong unit or a broken clock; a stream begins with trades of the last minutes or hours,
# which belong to the time before us; pages repeat the same trades all day where nobody trades.
OLDEST_US = 7 * DAY
AHEAD_US = 60 * SECOND
BEFORE_US = MINUTE
REMEMBERED_US = DAY
MAX_TEXT = 200
_SIDES: dict[object, Side] = {"buy": "buy", "sell": "sell"}
_MAX_NUMBER = 60  # characters
_ABOVE_ZERO = 5e-324  # the smallest double above 0


class Ccxt:
    """One exchange's trades. Repeats are dropped by id, by content where there is none."""

    ids: IdOrder = "none"

    def __init__(self, symbols: tuple[str, ...], name: str) -> None:
        self.name = name
        self._wanted = Wanted(symbols)
        self._memory = FrameMemory(REMEMBERED_US)
        self._refused: set[str] = set()
        self._began_us: int | None = None
        self._newest: dict[str, int] = {}  # event time by symbol, for pages that no longer reach back

    def kind(self, symbol: str) -> Literal["trades", "quotes"]:
        """Return trades: quotes are not asked for."""
        return "trades"

    def connected(self, now_us: int) -> None:
        """Begin a connection; the first one begins our time, and what happened before is not ours to publish."""
        if self._began_us is None:
            self._began_us = now_us
        self._wanted.connected()
        self._refused.clear()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The wanted symbols, in order."""
        return self._wanted.symbols

    def want(self, symbols: tuple[str, ...]) -> None:
        """Want these symbols from now on."""
        self._wanted.want(symbols)
        self._refused.intersection_update(symbols)

    def frames_to_send(self, limit: int) -> list[str]:
        """Return the next symbols to watch or to leave, as frames that the link understands."""
        return [json.dumps({verb: symbol}) for verb, symbol in self._wanted.take(limit)]

    def refused_symbols(self) -> frozenset[str]:
        """Return the symbols that the exchange does not list."""
        return frozenset(self._refused)

    def admits(self, trade: Trade) -> bool:
        """Refuse: only candles are asked for after the fact."""
        return False

    def receive(self, frame: bytes, now_us: int) -> list[SourceEvent]:
        """Turn one frame into events, in its order.

        Example frame: {"trades":[{"id":"82047307","timestamp":1580500821158,"symbol":"BTC/USD","side":"buy","price":"9314.78",
        "amount":"0.00513192"}]}. `timestamp` is milliseconds UTC, `side` the taker's, numbers are texts or numbers; `id` and
        `side` may be null. {"refused": symbol} and {"error": text} are the link's own.

        Raises:
            RemoteError: no JSON, no object, or no list of trades. One bad trade is a `Refused` instead.
        """
        message = parsed(frame)
        if type(message) is not dict:
            raise RemoteError("not_an_object", "the frame is JSON, but no object")
        if "refused" in message:
            return [self._refusal(message["refused"])]
        if "error" in message:
            return [VenueError(str(message["error"]))]
        trades = message.get("trades")
        if type(trades) is not list:
            raise RemoteError("bad_data", "trades is no list")
        return self._trades(trades, message.get("page"), now_us)

    def _refusal(self, symbol: object) -> VenueError:
        if type(symbol) is str and symbol in self._wanted:
            self._refused.add(symbol)
        return VenueError(f"the exchange does not list {symbol}")

    def _trades(self, elements: list[Any], page: object, now_us: int) -> list[SourceEvent]:
        before = self._newest.get(page) if type(page) is str else None
        self._memory.begin_frame(now_us)
        seen: set[tuple[str, str]] = set()
        events = [self._event(element, now_us, seen) for element in elements]
        self._memory.end_frame(now_us)
        new = [event for event in events if isinstance(event, Trade)]
        for trade in new:
            self._newest[trade.symbol] = max(trade.event_time, self._newest.get(trade.symbol, 0))
        # A page without a single trade that we know does not reach back to the one before: between them may be more.
        if type(page) is str and before is not None and new and not any(isinstance(event, Repeated) for event in events):
            first_us = min(trade.event_time for trade in new)
            if first_us > before:
                events.append(
                    Loss(page, "lost_updates", before, first_us, None, "the page does not reach back to the one before")
                )
        return events

    def _event(self, element: Any, now_us: int, seen: set[tuple[str, str]]) -> SourceEvent:
        try:
            trade = _trade(self.name, element, now_us)
            if trade.symbol not in self._wanted:
                if self._wanted.has_left(trade.symbol):
                    return Ignored("unsubscribed")
                raise RemoteError("unwanted_symbol", "a symbol that was not asked for", trade.symbol)
        except RemoteError as error:
            return Refused(element_text(element), error)
        if self._began_us is not None and trade.event_time < self._began_us - BEFORE_US:
            return Ignored("before_start")
        if trade.trade_id is None:
            content: tuple[object, ...] = (trade.symbol, trade.event_time, trade.price, trade.size, trade.side)
        else:
            content = (trade.symbol, trade.trade_id)
            if content in seen:  # twins within a frame have ids of their own
                return Repeated(trade.symbol, trade.kind)
            seen.add((trade.symbol, trade.trade_id))
        return Repeated(trade.symbol, trade.kind) if self._memory.is_repeat(content) else trade


def _trade(source: str, element: Any, now_us: int) -> Trade:
    if type(element) is not dict:
        raise RemoteError("not_an_object", "a trade is no object")
    symbol = element.get("symbol")
    if type(symbol) is not str or not symbol or not symbol.isprintable():
        raise RemoteError("bad_symbol", "symbol: a printable text is needed")
    try:
        side = element.get("side")
        return Trade(
            source=source,
            symbol=symbol,
            event_time=_event_time(element.get("timestamp"), now_us),
            receive_time=now_us,
            price=_number(element, "price", "bad_price", _ABOVE_ZERO),
            size=_number(element, "amount", "bad_size", _ABOVE_ZERO),
            side=_SIDES.get(side, "unknown") if type(side) is str else "unknown",
            trade_id=_id(element.get("id")),
        )
    except RemoteError as error:
        raise RemoteError(error.reason, str(error), symbol) from None


def _event_time(t: object, now_us: int) -> int:
    if type(t) is float and t.is_integer():
        t = int(t)
    if type(t) is not int:
        raise RemoteError("bad_time", "timestamp: integer milliseconds are needed")
    event = t * 1000
    if not now_us - OLDEST_US <= event <= now_us + AHEAD_US:
        raise RemoteError("bad_time", "timestamp: more than 7 days old, or 60 s ahead: wrong unit or clock")
    return event


def _number(element: dict[str, Any], name: str, reason: str, lowest: float) -> float:
    value = element.get(name)
    if type(value) is str and 0 < len(value) <= _MAX_NUMBER and value.isascii() and "_" not in value:
        try:
            value = float(value)
        except ValueError:
            raise RemoteError(reason, f"{name}: no number") from None
    if type(value) is not float and type(value) is not int:
        raise RemoteError(reason if name in element else "missing_field", f"{name}: a number is needed")
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not lowest <= number < inf:  # false for NaN too
        raise RemoteError(reason, f"{name}: has to be finite and above 0")
    return number


def _id(value: object) -> str | None:
    if value is None or value == "":
        return None
    text = str(value) if type(value) is int else value
    if type(text) is not str or len(text) > MAX_TEXT or not text.isprintable():
        raise RemoteError("bad_id", "id: a short printable text is needed")
    return text
