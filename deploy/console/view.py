"""PURE. What the live page shows, as plain values for JSON, out of Cassandra's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.timeframes import parse

CANDLE_COLUMNS = (
    "start",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "trade_count",
    "update_count",
    "coverage",
    "gap_cause",
    "state",
    "version",
)
GAP_COLUMNS = ("start", "end", "cause", "detail", "state")
FEED_COLUMNS = ("source", "state", "reason", "since", "updated_at")
_CANDLES = "candles_"
Row = Sequence[Any]


def timeframes_of(tables: Iterable[str]) -> list[str]:
    """Return the timeframes that have a candle table, shortest first."""
    names = [t.removeprefix(_CANDLES) for t in tables if t.startswith(_CANDLES)]
    return [t.name for t in sorted(parse(name) for name in names if "_" not in name)]


def candles_json(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Return candles as one list a column, oldest first; `rows` are in `CANDLE_COLUMNS`, newest first as Cassandra has them."""
    columns: dict[str, list[Any]] = {name: [] for name in CANDLE_COLUMNS}
    for row in reversed(list(rows)):
        for name, value in zip(CANDLE_COLUMNS, row, strict=True):
            columns[name].append(milliseconds(value) if name == "start" else value)
    return columns


def gaps_json(rows: Iterable[Row], from_ms: int, now_ms: int) -> list[dict[str, Any]]:
    """Return the gaps that reach beyond `from_ms` and are not empty, newest first; an open one has `to` null.

    Args:
        rows: in `GAP_COLUMNS`; an open gap's end is a sentinel far ahead, its state is the truth.
        from_ms: the left border of the chart.
        now_ms: where the chart ends; an open gap has lasted until then.
    """
    gaps = []
    for row in rows:
        gap = dict(zip(GAP_COLUMNS, row, strict=True))
        begin, end = milliseconds(gap["start"]), None if gap["state"] == "open" else milliseconds(gap["end"])
        if end is not None and (end <= begin or end <= from_ms):
            continue
        lasted = max(0, (now_ms if end is None else end) - begin)
        gaps.append(
            {"from": begin, "to": end, "cause": gap["cause"], "detail": gap["detail"], "state": gap["state"], "lasted_ms": lasted}
        )
    return gaps


def feeds_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the sources and how their feeds are, by name; `rows` are in `FEED_COLUMNS`."""
    feeds = []
    for row in sorted(rows, key=lambda r: str(r[0])):
        feed = dict(zip(FEED_COLUMNS, row, strict=True))
        feed["since"], feed["updated_at"] = milliseconds(feed["since"]), milliseconds(feed["updated_at"])
        feeds.append(feed)
    return feeds


def window_ms(timeframe: str) -> int:
    """Return the length of a timeframe's window in milliseconds; raises ValueError for a name that is none."""
    return parse(timeframe).us // 1000


def milliseconds(moment: datetime | int) -> int:
    """Return a moment as milliseconds since 1970 UTC; the driver gives naive datetimes that mean UTC."""
    if isinstance(moment, int):
        return moment
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def first(parameters: Mapping[str, str], name: str, otherwise: Sequence[str]) -> str:
    """Return the parameter `name`, or the first of `otherwise` where it is absent (or nothing where there is none)."""
    return parameters.get(name) or (otherwise[0] if otherwise else "")
