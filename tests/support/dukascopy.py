"""SHELL (files). A recording of Dukascopy: one hour of EURUSD quotes with sizes, and two independent sets of bid bars."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.support.recording import Bar, Key, Recording, key_of, numbered

_HOUR_MS = 3_600_000
_EXPECTED = {"m1": "1m", "m5": "5m", "m15": "15m", "m30": "30m", "h1": "1h"}


def eurusd(data: Path, source: str = "dukascopy") -> Recording:
    """Return the quotes, with the bank's own 1m bars of that hour and an aggregator's 1m, 5m, 15m, 30m and 1h bars.

    Tick: ``[ms, ask, bid, ask size, bid size]``; bars are the bid's. Their volume adds up the sizes offered; ours is
    what was traded, nothing, so volumes are not compared.
    """
    folder = data / "dukascopy-eurusd"
    ticks = json.loads((folder / "sample_tick_data.json").read_text())
    quotes = [
        {
            "type": "quote",
            "symbol": "EURUSD",
            "event_time_us": ms * 1000,
            "bid": bid,
            "ask": ask,
            "bid_size": bid_size,
            "ask_size": ask_size,
        }
        for ms, ask, bid, ask_size, bid_size in ticks
    ]
    first_hour = ticks[0][0] // _HOUR_MS
    bank: dict[Key, Bar] = {
        key_of(source, "EURUSD", "bid", "1m", start): Bar(*map(float, ohlc))
        for start, *ohlc, _volume in json.loads((folder / "sample_m1_data.json").read_text())
        if start // _HOUR_MS == first_hour
    }
    aggregator: dict[Key, Bar] = {}
    for suffix, timeframe in _EXPECTED.items():
        with (folder / f"expected_{suffix}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                bar = Bar(*(float(row[name]) for name in ("open", "high", "low", "close")))
                aggregator[key_of(source, "EURUSD", "bid", timeframe, int(row["start_ms"]))] = bar
    oracles = {"bank": bank, "aggregator": aggregator}
    return Recording(source, numbered(quotes), oracles, len(bank) + len(aggregator), len(quotes))
