"""PURE. What candles and gaps must be, said slowly and without any of the processor's code.

Everything is a set: the trades, the outages, the moments. Windows are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from schemas.records import Trade

MINUTE = 60_000_000
INSTANT = 60
"""How long what has no duration counts."""
NEVER = 10**20
"""End of an outage that lasts."""


@dataclass(frozen=True)
class Outage:
    """An interval in which the feed was not good."""

    start: int
    end: int
    cause: str


@dataclass(frozen=True)
class ModelCandle:
    """What the model says of a candle."""

    open: float
    high: float
    low: float
    close: float
    volume: Fraction
    records: int
    lost: int
    coverage: Fraction


def order(trade: Trade) -> tuple[int, int, int, int]:
    """Return the order key; a missing venue_sequence sorts first."""
    venue = -(10**30) if trade.venue_sequence is None else trade.venue_sequence
    return trade.event_time, venue, trade.epoch, trade.sequence


def accepted(trades: Sequence[Trade], horizon: int) -> list[Trade]:
    """Return the trades that belong into candles: those not older at receipt than the horizon."""
    return [t for t in trades if t.receive_time - t.event_time <= horizon]


def lost(outages: Sequence[Outage], good_from: int, start: int, end: int) -> int:
    """Return how many microseconds of a window are lost: before the first good moment, or in an outage."""
    borders = sorted(
        {start, end, *(min(max(x, start), end) for o in outages for x in (o.start, o.end)), min(max(good_from, start), end)}
    )
    total = 0
    for a, b in pairwise(borders):
        if a < good_from or any(o.start <= a < o.end for o in outages):
            total += b - a
    return total


def candles(trades: Sequence[Trade], outages: Sequence[Outage], good_from: int, minutes: int) -> dict[int, ModelCandle]:
    """Return the candles of windows of `minutes` minutes by start."""
    length = minutes * MINUTE
    found = {}
    for start in {t.event_time // length * length for t in trades}:
        inside = sorted((t for t in trades if start <= t.event_time < start + length), key=order)
        gone = lost(outages, good_from, start, start + length)
        found[start] = ModelCandle(
            inside[0].price,
            max(t.price for t in inside),
            min(t.price for t in inside),
            inside[-1].price,
            sum((Fraction(round(t.size * 10**9), 10**9) for t in inside if t.kind == "trade"), Fraction(0)),
            len(inside),
            gone,
            1 - Fraction(gone, length),
        )
    return found


def gaps(
    trades: Sequence[Trade],
    outages: Sequence[Outage],
    good_from: int,
    closed_to: int,
    shut: Outage | None = None,
) -> set[tuple[int, int | None, str]]:
    """Return (from, to, cause) of every gap; `to` is None where silence still lasts at `closed_to`."""
    traded = {t.event_time // MINUTE for t in trades}
    first = min([good_from, *(t.event_time for t in trades)]) // MINUTE * MINUTE
    found: set[tuple[int, int | None, str]] = set()
    if first < good_from:
        found.add((first, good_from, "partial_start"))
    found |= {(max(o.start, first), None if o.end == NEVER else o.end, o.cause) for o in outages if o.end > max(o.start, first)}
    hours = [] if shut is None else [shut]
    edges = {x for o in (*outages, *hours) for x in (o.start, o.end) if first <= x <= closed_to}
    borders = sorted({*range(first, closed_to + 1, MINUTE), *edges, good_from})
    silent: list[tuple[int, int, str]] = []
    for a, b in pairwise(borders):
        if a // MINUTE in traded or b > closed_to or a < good_from or any(o.start <= a < o.end for o in outages):
            continue
        cause = "market_closed" if any(o.start <= a < o.end for o in hours) else "no_trades"
        if silent and silent[-1][1:] == (a, cause):
            silent[-1] = (silent[-1][0], b, cause)
        else:
            silent.append((a, b, cause))
    now = "market_closed" if any(o.start <= closed_to < o.end for o in hours) else "no_trades"
    for a, b, cause in silent:
        empty = closed_to // MINUTE not in traded and not any(o.start <= b < o.end for o in outages)
        found.add((a, None if b == closed_to and cause == now and empty else b, cause))
    return found


def within_hours(outages: Sequence[Outage], shut: Outage) -> list[Outage]:
    """Return the outages without what falls into `shut`."""
    return [
        Outage(max(o.start, a), min(o.end, b), o.cause)
        for o in outages
        for a, b in ((-(10**20), shut.start), (shut.end, 10**20))
        if max(o.start, a) < min(o.end, b)
    ]
