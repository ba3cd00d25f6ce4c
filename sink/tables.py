"""PURE. The tables the sink writes, their columns in binding order, and the statement for each.

The tables themselves are made by the deploy step; preparing these statements at start is the check that both agree.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

from sink.retention import VERSIONS

CANDLE_COLUMNS = (
    "series start open high low close volume buy_volume vwap trade_count update_count late_count first_event_us last_event_us "
    "version state reason provenance coverage gap_cause fingerprint updated_at source"
)
COLUMNS: dict[str, str] = {
    VERSIONS: f"timeframe published_us {CANDLE_COLUMNS}",
    "trades": "instrument hour event_us trade_key event_time kind price size side receive_us epoch sequence backfill",
    "quotes": "instrument hour event_us quote_key event_time bid ask bid_size ask_size receive_us epoch sequence",
    "gaps": "series start gap_id end from_us to_us cause detail state missing version fillable why_not updated_at",
    "feed_status": "grp source state reason epoch since updated_at",
    "feed_status_log": "source since state reason epoch updated_at",
    "latest": "grp series timeframe start open high low close volume trade_count update_count version state coverage gap_cause "
    "updated_at",
    "series_list": "grp series label source symbol price active",
    "positions": "consumer_group topic part next_offset updated_at",
}


class Row(NamedTuple):
    """One row to write: an upsert that wins by its stamp."""

    table: str
    partition: Hashable
    key: Hashable
    """What, with table and partition, identifies the row."""
    stamp: int
    """Cassandra's write timestamp: the highest wins, whatever the order of writing."""
    expires_us: int | None
    """Microseconds UTC; None = never."""
    values: tuple[object, ...]
    """All columns of the table, none of them null."""
    origin: object
    """The Kafka message it came from, for the case that the row is refused."""


def candles_table(timeframe: str) -> str:
    """Return the table of candles of `timeframe`."""
    return f"candles_{timeframe}"


def statements(keyspace: str, timeframes: Iterable[str]) -> dict[str, str]:
    """Return the INSERT statement of every table; it binds the columns, then the write timestamp, then the TTL."""
    columns = {candles_table(t): CANDLE_COLUMNS for t in timeframes} | COLUMNS
    return {table: _insert(keyspace, table, names.split()) for table, names in columns.items()}


def _insert(keyspace: str, table: str, names: list[str]) -> str:
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {keyspace}.{table} ({', '.join(names)}) VALUES ({marks}) USING TIMESTAMP ? AND TTL ?"  # noqa: S608 - our own names
