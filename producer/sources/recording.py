"""PURE. Lines of a recording to numbered records: the replay's source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import inf
from typing import Any

import orjson

from producer.errors import RemoteError
from producer.repeats import IdMemory
from producer.sequence import Numbering
from schemas.records import Quote, Side, Trade, TradeKind
from schemas.timeframes import SECOND

AHEAD_US = 60 * SECOND
"""An event further ahead of its own receipt has wrong units or a broken clock (SEMANTICS: late and ahead)."""
MAX_TIME_US = 4_102_444_800 * SECOND  # 2100-01-01; our choice: later is a wrong unit
MAX_TEXT = 200  # our choice: the longest symbol or id
_MAX_LONG = 2**63 - 1
_ABOVE_ZERO = 5e-324  # the smallest double above 0
_SIDES = ("buy", "sell", "unknown", None)

Row = dict[str, Any]


def parse(line: bytes) -> Row:
    """Return the checked fields of one line, under the names of the line.

    Example line: {"type":"trade","symbol":"X","event_time_us":1,"receive_time_us":2,"price":1.0,"size":1.0,"side":"buy",
    "id":"7","sequence":9}; a quote has bid, ask, bid_size, ask_size. receive_time_us, side, id, sequence and a quote's
    sizes may be missing or null.

    Raises:
        RemoteError: the line is not a record; ``reason`` is one of not_json, not_an_object, unknown_type, missing_field,
            bad_symbol, bad_time, ahead, bad_price, bad_size, bad_side, bad_id, bad_sequence.
    """
    row = _object(line)
    symbol = row.get("symbol")
    if type(symbol) is not str or not 0 < len(symbol) <= MAX_TEXT or not symbol.isprintable():
        raise RemoteError("bad_symbol" if "symbol" in row else "missing_field", "symbol: a short printable text is needed")
    try:
        kind = row.get("type")
        if kind == "trade":
            # The two checks of a good number are written out for speed: half of a replay's lines would be calls.
            price, size = row.get("price"), row.get("size")
            if type(price) is not float or not _ABOVE_ZERO <= price < inf:
                _check_number(row, "price", "bad_price", _ABOVE_ZERO)
            if type(size) is not float or not 0.0 <= size < inf:
                _check_number(row, "size", "bad_size", 0.0)
            if row.get("side") not in _SIDES:
                raise RemoteError("bad_side", "side: not buy, sell or unknown")
            trade_id = row.get("id")
            if trade_id is not None:
                row["id"] = _id(trade_id)
        elif kind == "quote":
            _check_number(row, "bid", "bad_price", _ABOVE_ZERO)
            _check_number(row, "ask", "bad_price", _ABOVE_ZERO)
            for name in ("bid_size", "ask_size"):
                if row.get(name) is not None:
                    _check_number(row, name, "bad_size", 0.0)
        else:
            raise RemoteError("unknown_type" if "type" in row else "missing_field", "type: not trade or quote")
        _check_times(row)
    except RemoteError as error:
        raise RemoteError(error.reason, str(error), symbol) from None
    return row


def _object(line: bytes) -> Row:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # NaN and Infinity are no JSON, yet common; read them so that the refusal can name the field and the symbol.
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise RemoteError("not_json", f"not JSON: {error}") from None
    if type(row) is not dict:
        raise RemoteError("not_an_object", "the line is JSON, but no object")
    return row


def _check_number(row: Row, name: str, reason: str, lowest: float) -> None:
    value = row.get(name)
    if type(value) is int:
        try:
            value = row[name] = float(value)
        except OverflowError:
            raise RemoteError(reason, f"{name}: too large") from None
    if type(value) is not float:
        raise RemoteError(reason if name in row else "missing_field", f"{name}: a number is needed")
    if not lowest <= value < inf:  # false for NaN too
        raise RemoteError(reason, f"{name}: has to be finite and {'above 0' if lowest else '0 or more'}")


def _check_times(row: Row) -> None:
    event, receive, sequence = row.get("event_time_us"), row.get("receive_time_us"), row.get("sequence")
    if type(event) is not int or not 0 < event < MAX_TIME_US:
        raise RemoteError(
            "bad_time" if "event_time_us" in row else "missing_field", "event_time_us: integer microseconds are needed"
        )
    if receive is not None:
        if type(receive) is not int or not 0 < receive < MAX_TIME_US:
            raise RemoteError("bad_time", "receive_time_us: integer microseconds are needed")
        if event - receive > AHEAD_US:
            raise RemoteError("ahead", f"the event lies {(event - receive) / SECOND:.0f} s after its receipt")
    if sequence is not None and (type(sequence) is not int or not -_MAX_LONG <= sequence <= _MAX_LONG):
        raise RemoteError("bad_sequence", "sequence: a 64-bit integer is needed")


def _id(value: object) -> str:
    if type(value) is str and value.isalnum() and len(value) <= MAX_TEXT:
        return value
    text = str(value) if type(value) is int and abs(value) <= _MAX_LONG else value
    if type(text) is not str or not 0 < len(text) <= MAX_TEXT or not text.isprintable():
        raise RemoteError("bad_id", "id: a short printable text or an integer is needed")
    return text


@dataclass
class Recording:
    """The state of one run over a recording: numbers, ids seen, and the recording's own clock.

    ``clock_us`` is the largest min(event time, receive time) so far: never later than the recording itself has come, also
    where records arrived days late.
    """

    source: str
    epoch: int
    clock_us: int = 0
    newest_event_us: int = 0

    def __post_init__(self) -> None:
        self._ids = IdMemory()
        self._trades = Numbering()
        self._quotes = Numbering()

    def read(self, line: bytes) -> Trade | Quote | None:
        """Return the line's record, numbered; None for a trade whose (symbol, id) came before.

        A missing receive time becomes the newest event time so far (SEMANTICS: replay). A trade of size 0 is a price update.

        Raises:
            RemoteError: as `parse`; no number was taken.
        """
        row = parse(line)
        symbol, event = row["symbol"], row["event_time_us"]
        is_trade = row["type"] == "trade"
        trade_id = row.get("id") if is_trade else None
        if trade_id is not None and self._ids.is_repeat(symbol, trade_id):
            return None
        receive = row.get("receive_time_us")
        self.newest_event_us = max(self.newest_event_us, event)
        if receive is None:
            receive = self.newest_event_us
        earlier = event if event < receive else receive
        self.clock_us = max(self.clock_us, earlier)
        order = row.get("sequence")
        if is_trade:
            size = row["size"]
            kind: TradeKind = "trade" if size else "update"
            side: Side = row.get("side") or "unknown"
            number = self._trades.take(symbol)
            # By position: a third quicker than by name, in the hottest line of a replay.
            return Trade(
                self.source,
                symbol,
                event,
                receive,
                row["price"],
                size,
                kind,
                side,
                trade_id,
                order,
                self.epoch,
                number,
                "",
                False,
                True,
            )
        number = self._quotes.take(symbol)
        sizes = row.get("bid_size") or 0.0, row.get("ask_size") or 0.0
        return Quote(
            self.source,
            symbol,
            event,
            receive,
            row["bid"],
            row["ask"],
            *sizes,
            order,
            self.epoch,
            number,
            snapshot=False,
            replay=True,
        )
