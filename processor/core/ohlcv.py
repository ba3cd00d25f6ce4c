"""PURE. The candle as a commutative monoid: absorbing partial sums in any order and grouping gives the same aggregate.

Open and close belong to the smallest and largest order key, sums are integers of 10^-9 units, so equal sets of records
give equal aggregates bit for bit.
"""

from __future__ import annotations

from typing import NamedTuple

UNIT = 1_000_000_000
"""Sizes and notionals are summed as integers of 1/UNIT."""
NO_SEQUENCE = -(1 << 63)
"""Stands for a missing venue_sequence in an order key: it sorts first."""
_WRAP = (1 << 64) - 1

OrderKey = tuple[int, int, int, int]
"""(event_time, venue_sequence or NO_SEQUENCE, epoch, sequence)."""


class Partial(NamedTuple):
    """What one batch adds to one window."""

    start: int
    open_key: OrderKey
    open: float
    high: float
    low: float
    close_key: OrderKey
    close: float
    size_n: int
    buy_n: int
    notional_n: int
    trades: int
    updates: int
    late: int
    fingerprint: int
    offset_min: int
    offset_max: int
    mark: int
    """Largest min(event_time, receive_time): how far the records prove time to have come."""


class Window:
    """The aggregate of one window and how it was last published."""

    __slots__ = (
        "buy_n",
        "close",
        "close_key",
        "fingerprint",
        "high",
        "late",
        "low",
        "notional_n",
        "offset",
        "open",
        "open_key",
        "published",
        "size_n",
        "start",
        "trades",
        "updates",
    )

    def __init__(self, p: Partial) -> None:
        self.start = p.start
        self.open_key, self.open = p.open_key, p.open
        self.high, self.low = p.high, p.low
        self.close_key, self.close = p.close_key, p.close
        self.size_n, self.buy_n, self.notional_n = p.size_n, p.buy_n, p.notional_n
        self.trades, self.updates, self.late = p.trades, p.updates, p.late
        self.fingerprint = p.fingerprint
        self.offset = p.offset_max
        """Offset of the last record it contains: records at or below it are in it."""
        self.published = -1
        """Version of the last final or revised publication; -1 before the first."""

    @classmethod
    def blank(cls, start: int) -> Window:
        """Return a window without records: its prices are for the caller to set."""
        w = cls.__new__(cls)
        w.start = start
        w.open_key = w.close_key = (start, NO_SEQUENCE, 0, 0)
        w.open = w.high = w.low = w.close = 0.0
        w.size_n = w.buy_n = w.notional_n = w.trades = w.updates = w.late = w.fingerprint = 0
        w.offset = w.published = -1
        return w

    def copy(self) -> Window:
        """Return another window of the same values."""
        w = Window.__new__(Window)
        for name in Window.__slots__:
            setattr(w, name, getattr(self, name))
        return w

    @property
    def records(self) -> int:
        """Trades and updates in it."""
        return self.trades + self.updates

    def absorb(self, p: Partial) -> None:
        """Merge in what a batch adds."""
        if p.open_key < self.open_key:
            self.open_key, self.open = p.open_key, p.open
        if p.close_key > self.close_key:
            self.close_key, self.close = p.close_key, p.close
        self.high = max(self.high, p.high)
        self.low = min(self.low, p.low)
        self.size_n += p.size_n
        self.buy_n += p.buy_n
        self.notional_n += p.notional_n
        self.trades += p.trades
        self.updates += p.updates
        self.late += p.late
        self.fingerprint = (self.fingerprint + p.fingerprint) & _WRAP
        self.offset = max(self.offset, p.offset_max)

    @property
    def signed_fingerprint(self) -> int:
        """The fingerprint's bits as a signed 64-bit number, as Avro and Cassandra carry it."""
        return self.fingerprint - (1 << 64) if self.fingerprint >> 63 else self.fingerprint


def version_of(generation: int, fills: int, records: int, lost_ppm: int, closed: bool) -> int:
    """Return the version of a candle's content: it only grows with knowledge and needs no memory."""
    return generation * 10**12 + fills * 10**9 + records + lost_ppm + closed


def share_lost_ppm(lost_us: int, length_us: int) -> int:
    """Return the lost share of a window in millionths, rounded up."""
    return -(-lost_us * 1_000_000 // length_us)
