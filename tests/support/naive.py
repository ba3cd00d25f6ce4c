"""PURE. The slowest candle builder that can be right: the definition of a candle, written down once more.

It shares no code with the processor, reads the replay's own lines, computes with exact decimals and sorts everything. It is
there to check the recordings' converters (and whoever doubts the processor), so clarity is its only virtue.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tests.support.recording import Bar, Key

_MS = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000, "1h": 3_600_000}


def candles(source: str, lines: Iterable[str], timeframes: Iterable[str] = ("1m",)) -> dict[Key, Bar]:
    """Return the candles of replay lines: trades by symbol, quotes as bid, ask and mid.

    A line whose (symbol, id) was there before is a repeat. Open and close are the first and the last by
    (event time, sequence); windows are ``[start, start + length)`` in event time.
    """
    seen: set[tuple[str, str]] = set()
    prints: dict[str, list[tuple[int, int, Decimal, Decimal]]] = defaultdict(list)
    for number, line in enumerate(lines):
        record = json.loads(line, parse_float=Decimal, parse_int=int)
        identity = (record["symbol"], record.get("id") or f"line {number}")
        if identity in seen:
            continue
        seen.add(identity)
        for series, price, size in _prices(source, record):
            prints[series].append((record["event_time_us"], record["sequence"], price, size))
    return {
        Key(series, timeframe, start_ms): bar
        for series, of_series in prints.items()
        for timeframe in timeframes
        for start_ms, bar in _windows(of_series, _MS[timeframe]).items()
    }


def _prices(source: str, record: Mapping[str, Any]) -> list[tuple[str, Decimal, Decimal]]:
    instrument = f"{source}:{record['symbol']}"
    if record["type"] == "trade":
        return [(instrument, Decimal(record["price"]), Decimal(record["size"]))]
    bid, ask, nothing = Decimal(record["bid"]), Decimal(record["ask"]), Decimal(0)
    return [
        (f"{instrument}@bid", bid, nothing),
        (f"{instrument}@ask", ask, nothing),
        (f"{instrument}@mid", (bid + ask) / 2, nothing),
    ]


def _windows(prints: list[tuple[int, int, Decimal, Decimal]], length_ms: int) -> dict[int, Bar]:
    windows: dict[int, list[tuple[int, int, Decimal, Decimal]]] = defaultdict(list)
    for at in prints:
        windows[at[0] // (length_ms * 1000) * length_ms].append(at)
    bars = {}
    for start_ms, inside in windows.items():
        inside.sort()
        prices = [float(price) for _, _, price, _ in inside]
        bars[start_ms] = Bar(prices[0], max(prices), min(prices), prices[-1], float(sum(size for *_, size in inside)))
    return bars
