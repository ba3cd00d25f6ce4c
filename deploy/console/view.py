"""PURE. What the live page is told, as plain values for JSON: Cassandra's rows under the names that records have on the topics.

So the page asks console and processor the same questions. Instants are microseconds; what a table does not hold is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.timeframes import Timeframe, parse

CANDLE_COLUMNS = (
    "start",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "trade_count",
    "update_count",
    "late_count",
    "last_event_us",
    "version",
    "state",
    "reason",
    "provenance",
    "coverage",
    "gap_cause",
    "source",
)
GAP_COLUMNS = ("gap_id", "from_us", "to_us", "cause", "detail", "state", "missing", "version", "fillable", "why_not")
FEED_COLUMNS = ("source", "state", "reason", "since", "updated_at")
_CANDLES = "candles_"
Row = Sequence[Any]


def timeframes_of(tables: Iterable[str]) -> list[str]:
    """Return the timeframes that have a candle table, shortest first."""
    names = [t.removeprefix(_CANDLES) for t in tables if t.startswith(_CANDLES)]
    return [t.name for t in sorted(parse(name) for name in names if "_" not in name)]


def candles_json(series: str, timeframe: Timeframe, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return candles, oldest first; `rows` are in `CANDLE_COLUMNS`, newest first as Cassandra has them.

    `timeframe` is the series' own: it knows where a window ends, a day of 23 hours included.
    """
    candles = []
    for row in reversed(list(rows)):
        candle = dict(zip(CANDLE_COLUMNS, row, strict=True))
        start = milliseconds(candle["start"]) * 1000
        candle |= {"series": series, "timeframe": timeframe.name, "start": start, "end": timeframe.end_of(start)}
        candle["last_event_time"] = candle.pop("last_event_us")
        candles.append(candle)
    return candles


def gaps_json(series: str, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return gaps, oldest first; `rows` are in `GAP_COLUMNS`, newest first. An open one has `to_time` null, as its record has."""
    gaps = []
    for row in reversed(list(rows)):
        gap = dict(zip(GAP_COLUMNS, row, strict=True))
        begin, end = gap.pop("from_us"), gap.pop("to_us")
        missing = None if gap["missing"] is None or gap["missing"] < 0 else gap["missing"]
        gap |= {"series": series, "from_time": begin, "to_time": None if gap["state"] == "open" else end, "missing": missing}
        gaps.append(gap)
    return gaps


def feeds_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the sources and how their feeds are, by name; `rows` are in `FEED_COLUMNS`."""
    feeds = []
    for row in sorted(rows, key=lambda r: str(r[0])):
        feed = dict(zip(FEED_COLUMNS, row, strict=True))
        feed["since"], feed["updated_at"] = milliseconds(feed["since"]) * 1000, milliseconds(feed["updated_at"]) * 1000
        feeds.append(feed)
    return feeds


def milliseconds(moment: datetime | int) -> int:
    """Return a moment as milliseconds since 1970 UTC; the driver gives naive datetimes that mean UTC."""
    if isinstance(moment, int):
        return moment
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)
