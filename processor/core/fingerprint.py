"""PURE. The fingerprint: a wrapping 64-bit sum over a candle's records, equal only when the records are.

The definition, for auditors in any language (all arithmetic is unsigned 64-bit and wraps)::

    mix(x)      = splitmix64's finaliser: x ^= x>>30; x *= 0xBF58476D1CE4E5B9; x ^= x>>27; x *= 0x94D049BB133111EB; x ^= x>>31
    identity    = mix(n) + tag, where
                  tag 1, n = trade_id            if it is decimal digits without a leading zero, below 2^63
                  tag 2, n = first 8 bytes, big-endian, of SHA-256 of trade_id's UTF-8      for any other trade_id
                  tag 3, n = venue_sequence                                                 if there is no trade_id
                  tag 4, n = mix(epoch) + sequence                                          if there is neither
    of a record = mix(mix(mix(mix(event_time) ^ bits(price)) ^ bits(size)) ^ identity)
    of a candle = the sum over its records

``event_time`` is in microseconds; ``bits`` are the IEEE 754 bits of the double; quotes have size 0 and the price of their
series. The sum does not depend on order and adds up over roll-ups.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import numpy as np
import polars as pl

_MASK = (1 << 64) - 1
_A, _B = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
Columns = np.ndarray[Any, np.dtype[np.uint64]]


def mix(x: int) -> int:
    """Return splitmix64's finaliser of one unsigned 64-bit number."""
    x ^= x >> 30
    x = x * _A & _MASK
    x ^= x >> 27
    x = x * _B & _MASK
    return x ^ x >> 31


def identity(trade_id: str | None, venue_sequence: int | None, epoch: int, sequence: int) -> int:
    """Return the 64-bit identity of one record."""
    if trade_id is not None:
        number = _plain_number(trade_id)
        if number is not None:
            return mix(number) + 1 & _MASK
        return mix(_hashed(trade_id)) + 2 & _MASK
    if venue_sequence is not None:
        return mix(venue_sequence & _MASK) + 3 & _MASK
    return mix(mix(epoch & _MASK) + sequence & _MASK) + 4 & _MASK


def of_record(event_time: int, price: float, size: float, record_identity: int) -> int:
    """Return the fingerprint of one record (the reference; batches use `of_columns`)."""
    h = mix(event_time & _MASK)
    for bits in (*struct.unpack("<QQ", struct.pack("<dd", price, size)), record_identity):
        h = mix(h ^ bits)
    return h


def _plain_number(text: str) -> int | None:
    if text.isascii() and text.isdigit() and (text[0] != "0" or text == "0") and len(text) <= 19:
        number = int(text)
        return number if number < 1 << 63 else None
    return None


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _mix_columns(x: Columns) -> Columns:
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(_A)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(_B)
    return x ^ (x >> np.uint64(31))


def _unsigned(column: pl.Series) -> Columns:
    return column.to_numpy().view(np.uint64)


def identities(frame: pl.DataFrame) -> Columns:
    """Return the identity of every row; columns trade_id (optional), venue_sequence, epoch, sequence."""
    result = _mix_columns(_mix_columns(_unsigned(frame["epoch"])) + _unsigned(frame["sequence"])) + np.uint64(4)
    venue = frame["venue_sequence"]
    if venue.null_count() < len(venue):
        known = _mix_columns(_unsigned(venue.fill_null(0))) + np.uint64(3)
        result = np.where(venue.is_not_null().to_numpy(), known, result)
    if "trade_id" in frame.columns:
        ids = frame["trade_id"]
        if ids.null_count() < len(ids):
            result = np.where(ids.is_not_null().to_numpy(), _of_ids(ids), result)
    return result


def _of_ids(ids: pl.Series) -> Columns:
    plain = ids.str.contains(r"^(0|[1-9][0-9]{0,17})$").fill_null(True)  # 18 digits always fit
    numbers = ids.cast(pl.Int64, strict=False).fill_null(0)
    result = _mix_columns(_unsigned(numbers)) + np.uint64(1)
    if not plain.all():
        odd = (~plain).to_numpy()
        result[odd] = [identity(text, None, 0, 0) for text in ids.filter(~plain)]
    return result


def of_columns(event_time: pl.Series, price: pl.Series, size: pl.Series, record_identities: Columns) -> pl.Series:
    """Return the fingerprint of every row as UInt64."""
    h = _mix_columns(_unsigned(event_time))
    h = _mix_columns(h ^ _unsigned(price))
    h = _mix_columns(h ^ _unsigned(size))
    return pl.Series("fingerprint", _mix_columns(h ^ record_identities))
