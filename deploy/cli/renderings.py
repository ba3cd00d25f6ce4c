"""PURE. Stored candles and gaps as text: csv and json for programs, with numbers that round-trip, and cells for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sink.rows import OPEN_ENDED_US, UNKNOWN_MISSING

CANDLE_HEADER = (
    "series,timeframe,start_ms,open,high,low,close,volume,trade_count,update_count,version,state,coverage,gap_cause,fingerprint"
)
GAP_HEADER = "series,from_ms,to_ms,cause,state,version,missing,fillable,detail,gap_id"
CANDLE_FIELDS, GAP_FIELDS = tuple(CANDLE_HEADER.split(",")), tuple(GAP_HEADER.split(","))

Fields = dict[str, Any]
"""Field name -> value, in the order of the header; None is an empty cell."""


def instant_us(text: str) -> int:
    """Return the moment in `text`, milliseconds or ISO 8601 (UTC unless it says otherwise), as microseconds UTC.

    Raises:
        ValueError: it is neither.
    """
    try:
        return int(text) * 1000
    except ValueError:
        moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def milliseconds(time_us: int) -> int | float:
    """Return microseconds as milliseconds: whole where they are, else with a fraction that keeps every microsecond."""
    # Exact to the microsecond until the year 2245: a double holds 53 bits, and repr prints the shortest that reads back.
    return time_us // 1000 if time_us % 1000 == 0 else time_us / 1000


def candle_fields(row: Any, timeframe: str) -> Fields:
    """Return the fields of a row of ``candles_<timeframe>`` (see deploy/cassandra)."""
    values = {name: getattr(row, name, None) for name in CANDLE_FIELDS}
    return values | {"timeframe": timeframe, "start_ms": epoch_ms(row.start)}


def gap_fields(row: Any) -> Fields:
    """Return the fields of a row of ``gaps``: ``to_ms`` is None while it is open, ``missing`` where it is not known."""
    values = {name: getattr(row, name, None) for name in GAP_FIELDS}
    return values | {
        "from_ms": milliseconds(row.from_us),
        "to_ms": None if row.to_us == OPEN_ENDED_US else milliseconds(row.to_us),
        "missing": None if row.missing == UNKNOWN_MISSING else row.missing,
    }


def epoch_ms(moment: datetime) -> int:
    """Return a driver's datetime (UTC without saying so) as milliseconds."""
    since = moment - datetime(1970, 1, 1)  # noqa: DTZ001 - the driver's are naive
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def as_csv(names: Sequence[str], rows: Iterable[Fields], *, header: bool = True) -> str:
    """Return csv lines; doubles are written by repr, the shortest text that reads back as the same number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in rows)
    return out.getvalue()


def as_json(rows: Iterable[Fields]) -> str:
    """Return a JSON array with one object a line."""
    return "[" + ",\n ".join(json.dumps(row) for row in rows) + "]"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\r", " ")  # the writer does not quote it, and readers take it for a line's end
    return str(value).lower() if isinstance(value, bool) else value


def for_people(name: str, value: Any) -> str:
    """Return one cell of a table for people: moments in UTC, numbers without noise."""
    if value is None:
        return ""
    if name.endswith("_ms"):
        whole, rest = divmod(round(value * 1000), 1_000_000)
        moment = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return moment + (f".{rest:06d}".rstrip("0") if rest else "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
