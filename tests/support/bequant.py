"""SHELL (files). A recording of the exchange Bequant: ten pairs' trades, every one delivered on four sockets, with ids.

This product includes software developed by Bryant Moscon (http://www.bryantmoscon.com/): the capture is from cryptofeed.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from tests.support.recording import Bar, Key, Recording, key_of, numbered

_MINUTE_MS = 60_000


def deliveries(data: Path, source: str = "bequant") -> Recording:
    """Return every delivery in order of receipt, up to 41 days late, with the exchange's own 1m candles of the minutes between.

    A pair's first and last minute have no oracle: the snapshot of its last trades begins and ends inside them.
    The id is the venue's order too: ids of a pair grow with event time. It is the `sequence`, so that it does not matter
    which of a trade's four deliveries comes first.
    """
    folder = data / "bequant"
    trades: list[dict[str, object]] = []
    with gzip.open(folder / "trade-deliveries.csv.gz", "rt", newline="") as file:
        for row in csv.DictReader(file):
            seconds, _, fraction = row["recv_s"].partition(".")
            trades.append(
                {
                    "type": "trade",
                    "symbol": row["symbol"],
                    "event_time_us": _ms(row["time"]) * 1000,
                    "receive_time_us": int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6]),
                    "price": float(row["price"]),
                    "size": float(row["quantity"]),
                    "side": row["side"],
                    "id": row["id"],
                    "sequence": int(row["id"]),
                }
            )
    minutes: dict[object, set[int]] = defaultdict(set)
    for trade in trades:
        minutes[trade["symbol"]].add(_event_ms(trade) // _MINUTE_MS * _MINUTE_MS)
    bars: dict[Key, Bar] = {}
    with (folder / "candles-1m.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            start, with_trades = _ms(row["start"]), minutes[row["symbol"]]
            if start in with_trades - {min(with_trades), max(with_trades)}:
                cells = (float(row[name]) for name in ("open", "high", "low", "close", "volume"))
                bars[key_of(source, row["symbol"], "trade", "1m", start)] = Bar(*cells)
    records = len({(t["symbol"], t["id"]) for t in trades})
    return Recording(source, numbered(trades), {"exchange": bars}, len(bars), records)


def _event_ms(trade: dict[str, object]) -> int:
    at = trade["event_time_us"]
    assert isinstance(at, int)
    return at // 1000


def _ms(text: str) -> int:
    # "2021-07-02T23:40:45.254Z": whole milliseconds, so rounding a float of seconds is exact
    return round(datetime.fromisoformat(text).timestamp() * 1000)
