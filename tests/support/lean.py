"""SHELL (files). Recordings out of QuantConnect's Lean repository: FX quotes, gold futures' and shares' trades.

Zips of headerless CSV; the first column is milliseconds since midnight of the date in the file's name.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.recording import Bar, Key, Recording, key_of, numbered


def fx_oanda(data: Path, source: str = "oanda") -> Recording:
    """Return two pairs' quotes of three days around a weekend, as one file, with 1m bars of bid and of ask.

    Tick: ``ms,bid,ask``. Bar: ``ms, bid o,h,l,c, size, ask o,h,l,c, size``.
    """
    folder = data / "lean-fx-oanda"
    quotes: list[dict[str, object]] = []
    bars: dict[Key, Bar] = {}
    for pair in ("eurusd", "nzdusd"):
        symbol = pair.upper()
        for path in sorted((folder / "tick" / pair).glob("*.zip")):
            midnight = _midnight_ms(path.name, UTC)
            for _, row in _rows(path):
                at = (midnight + int(row[0])) * 1000
                quotes.append(
                    {"type": "quote", "symbol": symbol, "event_time_us": at, "bid": float(row[1]), "ask": float(row[2])}
                )
        for path in sorted((folder / "minute" / pair).glob("*.zip")):
            midnight = _midnight_ms(path.name, UTC)
            for _, row in _rows(path):
                start = midnight + int(row[0])
                bars[key_of(source, symbol, "bid", "1m", start)] = Bar(*map(float, row[1:5]))
                bars[key_of(source, symbol, "ask", "1m", start)] = Bar(*map(float, row[6:10]))
    quotes.sort(key=_event_time)  # stable: ties keep the file's order
    return Recording(source, numbered(quotes), {"lean": bars}, len(bars), len(quotes))


def future_comex(data: Path, source: str = "comex") -> Recording:
    """Return one day's gold futures trades, a symbol an expiry, with 1m bars.

    Tick: ``ms,price,size,usa,,0``; size 0 is a print that moves the price and adds no volume. Every file's last line is
    there twice, and the bars count it once.
    """
    folder = data / "lean-future-comex"
    trades: list[dict[str, object]] = []
    for member, rows in _members(next((folder / "tick" / "gc").glob("*.zip"))):
        midnight, symbol = _midnight_ms(member, UTC), _expiry(member)
        trades += (
            {
                "type": "trade",
                "symbol": symbol,
                "event_time_us": (midnight + int(row[0])) * 1000,
                "price": float(row[1]),
                "size": float(row[2]),
            }
            for row in rows[:-1]
        )
    trades.sort(key=_event_time)
    bars = {
        key_of(source, _expiry(member), "trade", "1m", _midnight_ms(member, UTC) + int(row[0])): Bar(*map(float, row[1:6]))
        for member, row in _rows(next((folder / "minute" / "gc").glob("*.zip")))
    }
    return Recording(source, numbered(trades), {"lean": bars}, len(bars), len(trades))


def equity_usa(data: Path, source: str = "nyse") -> Recording:
    """Return one day's trades of two shares that may move the price, with 1m bars (open, high, low, close).

    Tick: ``ms,price*10000,size,venue,condition,suspicious`` in New York time. Three of the 853 bars, the auction minutes,
    follow rules that the prints do not show. Volumes are not compared: the bars count prints that move no price.
    """
    folder, new_york = data / "lean-equity-usa", ZoneInfo("America/New_York")
    trades: list[dict[str, object]] = []
    bars: dict[Key, Bar] = {}
    for share in ("aig", "ibm"):
        symbol = share.upper()
        for path in (folder / "tick" / share).glob("*.zip"):
            midnight = _midnight_ms(path.name, new_york)
            trades += (
                {
                    "type": "trade",
                    "symbol": symbol,
                    "event_time_us": (midnight + int(row[0])) * 1000,
                    "price": int(row[1]) / 10_000,
                    "size": float(row[2]),
                }
                for _, row in _rows(path)
                if moves_the_price(int(row[4] or "0", 16), suspicious=row[5] != "0")
            )
        for path in (folder / "minute" / share).glob("*.zip"):
            midnight = _midnight_ms(path.name, new_york)
            for _, row in _rows(path):
                key = key_of(source, symbol, "trade", "1m", midnight + int(row[0]))
                bars[key] = Bar(*(int(cell) / 10_000 for cell in row[1:5]))
    trades.sort(key=_event_time)
    return Recording(source, numbered(trades), {"lean": bars}, len(bars) - 3, len(trades))


def moves_the_price(condition: int, *, suspicious: bool) -> bool:
    """Tell whether a share's print counts for open, high, low and close, by its condition flags.

    Inferred from the vendor's own second bars, all of which it explains: official opens and closes never count, extended
    hours do, and otherwise averages, derivatives, out-of-sequence prints and the like do not.
    """
    if suspicious or condition & 0x5000000:
        return False
    extended_hours = bool(condition & 0x2000)
    odd_one_out = bool(condition & (0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200))
    odd_lot_pair = condition & 0x20100000 == 0x20100000
    return extended_hours or not (odd_one_out or odd_lot_pair)


def _event_time(record: dict[str, object]) -> int:
    at = record["event_time_us"]
    assert isinstance(at, int)
    return at


def _midnight_ms(name: str, zone: tzinfo) -> int:
    # 20131007_gc_tick_trade_201312.csv, 20140502_quote.zip
    day = datetime(int(name[:4]), int(name[4:6]), int(name[6:8]), tzinfo=zone)
    return int(day.timestamp()) * 1000


def _expiry(member: str) -> str:
    return "GC" + member.removesuffix(".csv").rsplit("_", 1)[1]


def _members(path: Path) -> Iterator[tuple[str, list[list[str]]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            yield member, [line.split(",") for line in archive.read(member).decode().splitlines() if line]


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    for member, rows in _members(path):
        for row in rows:
            yield member, row
