"""PURE. What a vendor's candles and the results of backfills make of 1m windows, said slowly, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from schemas.records import HistoryCandle, Trade
from tests.support.model import MINUTE, Outage, order

FOREVER = 10**20


@dataclass(frozen=True)
class Minute:
    """What a 1m candle shows, and the moments of it that are lost (microseconds)."""

    open: float
    high: float
    low: float
    close: float
    volume: Fraction
    trades: int
    updates: int
    lost: int
    provenance: str
    fills: int


@dataclass(frozen=True)
class Answers:
    """What history said: the candles that count by minute in order, how gaps ended, which ranges bootstraps covered."""

    candles: dict[int, list[HistoryCandle]]
    of_gap: dict[tuple[str, int], HistoryCandle]
    with_candles: set[tuple[str, int]]
    bootstraps: set[tuple[int, int]]


def answers(history: Sequence[HistoryCandle], outages: Sequence[Outage], first: int, horizon: int) -> Answers:
    """Read history in its order."""
    found = Answers({}, {}, set(), set())
    gaps = {(o.cause, o.start): o for o in outages}
    for record in history:
        place = None
        if record.gap_id is not None:
            _, cause, start = record.gap_id.split("|")
            place = cause, int(start)
        if record.record == "result":
            if place is None:
                if record.outcome == "complete" and record.end > record.start:
                    found.bootstraps.add((record.start, record.end))
            elif place not in found.of_gap or found.of_gap[place].outcome != "complete":
                found.of_gap[place] = record
            continue
        gap = gaps.get(place) if place is not None else None
        is_answer = gap is not None and record.start < gap.end and gap.start < record.end
        if is_answer and place in found.of_gap and found.of_gap[place].outcome == "complete":
            is_answer = False
        if is_answer:
            assert place is not None
            found.with_candles.add(place)
        if is_answer or record.receive_time - record.end <= horizon or record.end <= first:
            found.candles.setdefault(record.start, []).append(record)
    return found


def losses(outages: Sequence[Outage], good_from: int, said: Answers) -> list[tuple[int, int, str]]:
    """Return (start, end, what became of it) of everything that was lost: ``""``, ``vendor`` or ``trades``."""
    found = []
    for outage in outages:
        result = said.of_gap.get((outage.cause, outage.start))
        filled = result is not None and result.outcome == "complete" and result.end >= outage.end
        by = "vendor" if (outage.cause, outage.start) in said.with_candles else "trades"
        found.append((outage.start, outage.end, by if filled else ""))
    edges = sorted({-FOREVER, good_from, *(min(x, good_from) for pair in said.bootstraps for x in pair)})
    for a, b in pairwise(edges):
        found.append((a, b, "vendor" if any(s <= a < e for s, e in said.bootstraps) else ""))
    return found


def minute(start: int, trades: Sequence[Trade], lost: Sequence[tuple[int, int, str]], said: Answers, first: int) -> Minute | None:
    """Return what the window that begins at `start` shows; None if there is nothing."""
    end = start + MINUTE
    own = sorted((t for t in trades if start <= t.event_time < end), key=order)
    seen = said.candles.get(start, [])
    fills = len(seen)
    if end > first:
        fills += sum(r.outcome == "complete" and r.start < end and start < r.end for r in said.of_gap.values())
        fills += sum(a < end and start < b for a, b in said.bootstraps)
    real = [t for t in own if t.kind == "trade"]
    volume = sum((Fraction(round(t.size * 10**9), 10**9) for t in real), Fraction(0))
    missing = sum(max(0, min(b, end) - max(a, start)) for a, b, by in lost if not by)
    counts = len(real), len(own) - len(real)
    if seen:
        vendor = seen[-1]
        is_damaged = any(a < end and start < b for a, b, by in lost if by != "trades")
        is_smaller = (vendor.volume is not None and vendor.volume < volume) or (
            vendor.trade_count is not None and vendor.trade_count < len(real)
        )
        if not own or (is_damaged and not is_smaller):
            high = max([vendor.high, *(t.price for t in own)])
            low = min([vendor.low, *(t.price for t in own)])
            size = volume if vendor.volume is None else Fraction(round(vendor.volume * 10**9), 10**9)
            return Minute(vendor.open, high, low, vendor.close, size, *counts, 0, "vendor", fills)
    if not own:
        return None
    prices = [t.price for t in own]
    return Minute(prices[0], max(prices), min(prices), prices[-1], volume, *counts, missing, "trades", fills)


def lost_of_empty(start: int, lost: Sequence[tuple[int, int, str]]) -> int:
    """Return the microseconds lost in a window that shows nothing."""
    return sum(max(0, min(b, start + MINUTE) - max(a, start)) for a, b, by in lost if not by)
