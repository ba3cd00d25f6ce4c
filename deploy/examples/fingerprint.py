"""PURE. The fingerprint of trades, to compare with a candle's: equal only if the candle holds exactly these trades.

Give it the distinct records of `md.trades.v1`, as the stock deserializer reads them, whose event_time lies in [start, end) of the
candle and which are not on `md.late-trades.v1`: trades and price updates alike. A record that comes twice has one identity.
"""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

Trade = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WRAP = 1 << 64


def mix(x: int) -> int:
    """Return splitmix64's finaliser of an unsigned 64-bit number."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % _WRAP
    x = (x ^ x >> 27) * 0x94D049BB133111EB % _WRAP
    return x ^ x >> 31


def identity(trade: Trade) -> int:
    """Return what tells a trade from its twin: the venue's id, else its sequence, else our run and counter."""
    name, number = trade["trade_id"], trade["venue_sequence"]
    if name is None and number is None:
        return (mix((mix(trade["epoch"] % _WRAP) + trade["sequence"]) % _WRAP) + 4) % _WRAP
    if name is None:
        return (mix(number % _WRAP) + 3) % _WRAP
    if name.isascii() and name.isdigit() and len(name) < 20 and str(int(name)) == name and int(name) < 1 << 63:
        return (mix(int(name)) + 1) % _WRAP
    return (mix(int.from_bytes(sha256(name.encode()).digest()[:8], "big")) + 2) % _WRAP


def fingerprint(trades: Iterable[Trade]) -> int:
    """Return the fingerprint of distinct trades, in any order, as the signed number that candles carry."""
    total = 0
    for trade in trades:
        h = mix((trade["event_time"] - _EPOCH) // timedelta(microseconds=1) % _WRAP)
        for bits in (*struct.unpack("<QQ", struct.pack("<dd", trade["price"], trade["size"])), identity(trade)):
            h = mix(h ^ bits)
        total += h
    total %= _WRAP
    return total - _WRAP if total >> 63 else total
