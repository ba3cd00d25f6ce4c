"""PURE. Avro bodies of trades, quotes and history, byte for byte what `schemas.codec` writes, four times as quickly.

A replay's speed is the speed of encoding: fastavro walks the schema for every record (8 us a trade on a slow core), here its
order is written out (2 us). The records' schemas are frozen but for fields added with defaults; a test compares the two for
every kind of record, so that such a field cannot be forgotten here.
"""

from __future__ import annotations

import struct

from schemas.records import HistoryCandle, Quote, Trade
from schemas.wire import HEADER_BYTES, header

_TWO_DOUBLES = struct.Struct("<dd")
_FOUR_DOUBLES = struct.Struct("<dddd")
_ONE_DOUBLE = struct.Struct("<d")
_NULL, _SOME = b"\x00", b"\x02"  # which branch of ["null", T]
_KINDS = {"trade": b"\x00", "update": b"\x02"}
_SIDES = {"unknown": b"\x00", "buy": b"\x02", "sell": b"\x04"}
_PRICES = {"trade": b"\x00", "mid": b"\x02", "bid": b"\x04", "ask": b"\x06"}
_RECORDS = {"candle": b"\x00", "result": b"\x02"}
_ORIGINS = {"bootstrap": b"\x00", "backfill": b"\x02"}
_OUTCOMES = {"none": b"\x00", "complete": b"\x02", "partial": b"\x04", "refused": b"\x06"}
_BOOLEANS = (b"\x00", b"\x01")
# Avro's variable-length integers, two groups of seven bits at a time: LAST ends the number, MORE goes on.
_LAST = [bytes([v]) if v < 128 else bytes([v & 127 | 128, v >> 7]) for v in range(1 << 14)]
_MORE = [bytes([v & 127 | 128, v >> 7 | 128]) for v in range(1 << 14)]


def long_bytes(number: int) -> bytes:
    """Return a 64-bit integer as Avro writes it."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 16384:
        return _LAST[rest]
    out = _MORE[rest & 16383]
    rest >>= 14
    while rest > 16383:
        out += _MORE[rest & 16383]
        rest >>= 14
    return out + _LAST[rest]


def text_bytes(text: str) -> bytes:
    """Return a string as Avro writes it."""
    data = text.encode()
    return long_bytes(len(data)) + data


class Bodies:
    """Writes framed trades and quotes; remembers the beginning of each symbol's records, and epochs: a run has one."""

    def __init__(self, trade_schema_id: int, quote_schema_id: int) -> None:
        self._headers = {Trade: header(trade_schema_id), Quote: header(quote_schema_id)}
        self._epochs: dict[int, bytes] = {}
        self._begins: dict[tuple[type[Trade] | type[Quote], str, str], bytes] = {}

    def trade(self, t: Trade) -> bytes:
        """Return the trade, framing included."""
        trade_id, order, conditions = t.trade_id, t.venue_sequence, t.conditions
        return b"".join(
            (
                self._begins.get((Trade, t.source, t.symbol)) or self._begin(Trade, t.source, t.symbol),
                long_bytes(t.event_time),
                long_bytes(t.receive_time),
                _TWO_DOUBLES.pack(t.price, t.size),
                _KINDS[t.kind],
                _SIDES[t.side],
                _NULL if trade_id is None else _SOME + text_bytes(trade_id),
                _NULL if order is None else _SOME + long_bytes(order),
                self._epochs.get(t.epoch) or self._epoch(t.epoch),
                long_bytes(t.sequence),
                text_bytes(conditions) if conditions else _NULL,
                _BOOLEANS[t.backfill],
                _BOOLEANS[t.replay],
            )
        )

    def quote(self, q: Quote) -> bytes:
        """Return the quote, framing included."""
        order = q.venue_sequence
        return b"".join(
            (
                self._begins.get((Quote, q.source, q.symbol)) or self._begin(Quote, q.source, q.symbol),
                long_bytes(q.event_time),
                long_bytes(q.receive_time),
                _FOUR_DOUBLES.pack(q.bid, q.ask, q.bid_size, q.ask_size),
                _NULL if order is None else _SOME + long_bytes(order),
                self._epochs.get(q.epoch) or self._epoch(q.epoch),
                long_bytes(q.sequence),
                _BOOLEANS[q.snapshot],
                _BOOLEANS[q.replay],
            )
        )

    def _epoch(self, epoch: int) -> bytes:
        self._epochs[epoch] = data = long_bytes(epoch)
        return data

    def _begin(self, kind: type[Trade] | type[Quote], source: str, symbol: str) -> bytes:
        begin = self._headers[kind] + text_bytes(source) + text_bytes(symbol)
        self._begins[kind, source, symbol] = begin
        return begin


class HistoryBodies:
    """Writes framed history records; remembers the beginning of each series' records."""

    def __init__(self, schema_id: int) -> None:
        self._header = header(schema_id)
        self._begins: dict[tuple[str, str, str], bytes] = {}

    def __call__(self, h: HistoryCandle) -> bytes:
        """Return the record, framing included."""
        key = (h.source, h.symbol, h.price)
        begin = self._begins.get(key)
        if begin is None:
            begin = self._begins[key] = self._header + text_bytes(h.source) + text_bytes(h.symbol) + _PRICES[h.price]
        return b"".join(
            (
                begin,
                _RECORDS[h.record],
                _ORIGINS[h.origin],
                long_bytes(h.start),
                long_bytes(h.end),
                _FOUR_DOUBLES.pack(h.open, h.high, h.low, h.close),
                _NULL if h.volume is None else _SOME + _ONE_DOUBLE.pack(h.volume),
                _NULL if h.trade_count is None else _SOME + long_bytes(h.trade_count),
                _BOOLEANS[h.approximate],
                _NULL if h.gap_id is None else _SOME + text_bytes(h.gap_id),
                _OUTCOMES[h.outcome],
                text_bytes(h.reason),
                _NULL if h.retry_at is None else _SOME + long_bytes(h.retry_at),
                long_bytes(h.receive_time),
                long_bytes(h.epoch),
            )
        )


def is_result(value: bytes, source: str, symbol: str) -> bool:
    """Tell, without decoding it, whether a framed history record of this instrument, written with our field order, is a result.

    A month of 50 symbols is two million candles and a few hundred results; whoever wants the results alone looks here first.
    """
    # framing, source, symbol, one byte of price, one byte of record
    at = HEADER_BYTES + len(text_bytes(source)) + len(text_bytes(symbol)) + 1
    return value[at : at + 1] == _RECORDS["result"]
