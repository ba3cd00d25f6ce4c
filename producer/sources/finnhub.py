"""PURE. Finnhub's WebSocket protocol: trade frames in, records out; subscriptions to send.

Source of the rules: the provider's page "Trades - Last Price Updates", its issue tracker, and what clients saw.
"""

from __future__ import annotations

import json
from math import inf
from typing import Any, Literal

from producer.errors import RemoteError
from producer.repeats import FrameMemory
from producer.sources.frames import element_text, parsed
from producer.sources.protocol import Heartbeat, Ignored, Refused, Repeated, SourceEvent, VenueError
from producer.sources.wanted import Wanted
from schemas.records import IdOrder, Trade
from schemas.timeframes import DAY, SECOND

# Our choice: older or newer is a wrong unit (seconds for milliseconds) or a broken clock.
OLDEST_US = 7 * DAY
AHEAD_US = 60 * SECOND
MAX_TEXT = 200  # of joined condition codes
_TOO_MANY = "too many symbols"
_MAX_CODE = 10**9
_ABOVE_ZERO = 5e-324  # the smallest double above 0


class Finnhub:
    """One account's stream; ``connected`` begins each connection, ``frames_to_send`` gives its subscriptions.

    ``drops_repeats``: a trade that equals one of an earlier frame of the last ten seconds is a repeat. It may be a genuine twin;
    whose frames never repeat, takes them all.
    """

    ids: IdOrder = "none"

    def __init__(self, symbols: tuple[str, ...], name: str = "finnhub", *, drops_repeats: bool = True) -> None:
        self.name = name
        self._drops_repeats = drops_repeats
        self._wanted = Wanted(symbols)
        self._memory = FrameMemory()  # outlives connections: a reconnect may bring the last frame again
        self._suspects: list[str] = []

    def kind(self, symbol: str) -> Literal["trades", "quotes"]:
        """Return trades: Finnhub's stream has nothing else."""
        return "trades"

    def connected(self, now_us: int) -> None:
        """Begin a connection: every subscription is to be sent again, and every suspicion is void."""
        self._wanted.connected()
        self._suspects = []

    @property
    def symbols(self) -> tuple[str, ...]:
        """The wanted symbols, in order."""
        return self._wanted.symbols

    def want(self, symbols: tuple[str, ...]) -> None:
        """Want these symbols from now on."""
        self._wanted.want(symbols)
        self._suspects = [s for s in self._suspects if s in self._wanted]

    def frames_to_send(self, limit: int) -> list[str]:
        """Return the next `limit` subscriptions and their ends. Finnhub acknowledges none of them."""
        return [json.dumps({"type": verb, "symbol": symbol}) for verb, symbol in self._wanted.take(limit)]

    def refused_symbols(self) -> frozenset[str]:
        """Return the symbols that "too many symbols" seems to have meant and that have not ticked since."""
        return frozenset(self._suspects)

    def admits(self, trade: Trade) -> bool:
        """Refuse: the provider fills with candles, and without ids a trade cannot be told from its twin."""
        return False

    def receive(self, frame: bytes, now_us: int) -> list[SourceEvent]:
        """Turn one frame into events, in frame order.

        Example frame: {"data":[{"c":["1","8"],"p":122.1,"s":"TSLA","t":1672348887195,"v":1}],"type":"trade"}
        `t` is milliseconds UTC, set by the venue; `v` = 0 is a price update, which is all that FX gives; `c` is a list of
        condition codes, or null, or absent. {"type":"ping"} comes about once a minute and wants no answer.
        {"msg":"Subscribing to too many symbols","type":"error"} does not name the symbol: the last one sent is suspect.

        Raises:
            RemoteError: no JSON, no object, or a trade frame whose data is no list. One bad element is a `Refused` instead.
        """
        message = parsed(frame)
        if type(message) is not dict:
            raise RemoteError("not_an_object", "the frame is JSON, but no object")
        kind = message.get("type")
        if kind == "trade":
            return self._trades(message.get("data"), now_us)
        if kind == "ping":
            return [Heartbeat()]
        if kind == "error":
            return [self._complaint(message.get("msg"))]
        return [Ignored("unknown_type")]

    def _complaint(self, message: object) -> VenueError:
        text = message if type(message) is str else "an error without a text"
        if _TOO_MANY in text.lower():
            sent = self._wanted.sent
            # The n-th complaint means one of the last n sent; after all have come, the last n it is.
            self._suspects = list(sent[len(sent) - min(len(self._suspects) + 1, len(sent)) :])
        return VenueError(text)

    def _trades(self, data: object, now_us: int) -> list[SourceEvent]:
        if data is None:
            return [Ignored("no_data")]
        if type(data) is not list:
            raise RemoteError("bad_data", "data of a trade frame is no list")
        self._memory.begin_frame(now_us)
        events = [self._event(element, now_us) for element in data]
        self._memory.end_frame(now_us)
        return events

    def _event(self, element: Any, now_us: int) -> SourceEvent:
        try:
            trade = _trade(self.name, element, now_us)
            if trade.symbol not in self._wanted:
                if self._wanted.has_left(trade.symbol):
                    return Ignored("unsubscribed")
                raise RemoteError("unwanted_symbol", "a symbol that was not subscribed", trade.symbol)
        except RemoteError as error:
            return Refused(element_text(element), error)
        if trade.symbol in self._suspects:
            self._suspects.remove(trade.symbol)
        if self._drops_repeats and self._memory.is_repeat(
            (trade.symbol, trade.event_time, trade.price, trade.size, trade.conditions)
        ):
            return Repeated(trade.symbol, trade.kind)
        return trade


def _trade(source: str, element: Any, now_us: int) -> Trade:
    if type(element) is not dict:
        raise RemoteError("not_an_object", "an element of data is no object")
    symbol = element.get("s")
    if type(symbol) is not str or not symbol or not symbol.isprintable():
        raise RemoteError("bad_symbol", "s: a printable text is needed")
    try:
        size = _number(element, "v", "bad_size", 0.0)
        # By its fields and not by its constructor: a frozen class's takes several times as long, for every trade there is.
        trade = object.__new__(Trade)
        trade.__dict__.update(
            source=source,
            symbol=symbol,
            event_time=_event_time(element.get("t"), now_us),
            receive_time=now_us,
            price=_number(element, "p", "bad_price", _ABOVE_ZERO),
            size=size,
            kind="trade" if size else "update",
            side="unknown",
            trade_id=None,
            venue_sequence=None,
            epoch=0,
            sequence=0,
            conditions=_conditions(element.get("c")),
            backfill=False,
            replay=False,
        )
    except RemoteError as error:
        raise RemoteError(error.reason, str(error), symbol) from None
    return trade


def _number(element: dict[str, Any], name: str, reason: str, lowest: float) -> float:
    value = element.get(name)
    if type(value) is float and lowest <= value < inf:
        return value
    if type(value) is not float and type(value) is not int:
        raise RemoteError(reason if name in element else "missing_field", f"{name}: a number is needed")
    try:
        number = float(value)
    except OverflowError:
        number = inf
    if not lowest <= number < inf:  # false for NaN too
        raise RemoteError(reason, f"{name}: has to be finite and {'above 0' if lowest else '0 or more'}")
    return number


def _event_time(t: object, now_us: int) -> int:
    if type(t) is float and t.is_integer():
        t = int(t)  # 1.7e12 is an integer to JSON
    if type(t) is not int:
        raise RemoteError("bad_time", "t: integer milliseconds are needed")
    event = t * 1000
    if not now_us - OLDEST_US <= event <= now_us + AHEAD_US:
        raise RemoteError("bad_time", "t: more than 7 days old, or 60 s ahead: wrong unit or clock")
    return event


def _conditions(codes: object) -> str:
    if codes is None:
        return ""
    if type(codes) is not list:
        raise RemoteError("bad_conditions", "c: a list of codes is needed")
    try:
        text = ",".join(codes)  # texts, as they nearly always are
    except TypeError:
        if not all(type(code) is str or (type(code) is int and abs(code) < _MAX_CODE) for code in codes):
            raise RemoteError("bad_conditions", "c: a list of codes is needed") from None
        text = ",".join(str(code) for code in codes)
    if len(text) > MAX_TEXT or not text.isprintable():
        raise RemoteError("bad_conditions", "c: too long, or not printable")
    return text
