"""SHELL (Cassandra). The live page's questions: the same tables, in the same way, as a dashboard reads them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from deploy.console.view import (
    CANDLE_COLUMNS,
    FEED_COLUMNS,
    GAP_COLUMNS,
    candles_json,
    feeds_json,
    gaps_json,
    timeframes_of,
    window_ms,
)

_GAPS_SHOWN = 200


class Store:
    """Reads what the page shows. Its statements are prepared once a timeframe; a session is safe to use from threads."""

    def __init__(self, session: Any, keyspace: str) -> None:
        """Prepare the questions; raises cassandra.InvalidRequest where keyspace or tables are missing."""
        session.set_keyspace(keyspace)
        self._session = session
        self._series = session.prepare("SELECT series FROM series_list WHERE grp = 'all'")
        self._feeds = session.prepare(_select(FEED_COLUMNS, "feed_status", "grp = 'all'"))
        self._gaps = session.prepare(
            _select(GAP_COLUMNS, "gaps", f"series = ? AND start <= ? ORDER BY start DESC LIMIT {_GAPS_SHOWN}")
        )
        self._candles: dict[str, Any] = {}
        rows = session.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,))
        self.timeframes = timeframes_of(row.table_name for row in rows)

    def view(self, series: str, timeframe: str, count: int, now_ms: int) -> dict[str, Any]:
        """Return everything the page shows of one series: its newest `count` windows, gaps and the feeds.

        Args:
            series: empty for the first there is.
            timeframe: empty for the first there is.
            count: how many windows back from the newest candle.
            now_ms: milliseconds UTC.

        Raises:
            ValueError: there is no such timeframe.
            cassandra.DriverException: the server refused or did not answer.
        """
        known = sorted(row.series for row in self._session.execute(self._series))
        series, timeframe = series or (known[0] if known else ""), timeframe or self.timeframes[0]
        if timeframe not in self.timeframes:
            raise ValueError(f"no timeframe {timeframe!r}: there are {', '.join(self.timeframes)}")
        newest = self._session.execute(self._candles_of(timeframe), (series, count)) if series else []
        candles = candles_json(newest)
        from_ms = candles["start"][0] if candles["start"] else now_ms - count * window_ms(timeframe)
        gaps = self._session.execute(self._gaps, (series, datetime.fromtimestamp(now_ms / 1000, UTC))) if series else []
        return {
            "now_ms": now_ms,
            "series": series,
            "timeframe": timeframe,
            "window_ms": window_ms(timeframe),
            "series_list": known,
            "timeframes": self.timeframes,
            "candles": candles,
            "gaps": gaps_json(gaps, from_ms, now_ms),
            "feeds": feeds_json(self._session.execute(self._feeds)),
        }

    def _candles_of(self, timeframe: str) -> Any:
        if timeframe not in self._candles:
            self._candles[timeframe] = self._session.prepare(
                _select(CANDLE_COLUMNS, f"candles_{timeframe}", "series = ? LIMIT ?")
            )
        return self._candles[timeframe]


def _select(columns: Sequence[str], table: str, where: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608 - all three are from this package
