"""SHELL (Cassandra). The live page's questions: the same tables, in the same way, as a dashboard reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deploy.console.view import CANDLE_COLUMNS, FEED_COLUMNS, GAP_COLUMNS, candles_json, feeds_json, gaps_json, timeframes_of


class Store:
    """Reads what the page shows. Its statements are prepared once a timeframe; a session is safe to use from threads.

    Every method raises cassandra.DriverException or NoHostAvailable where the server refuses or does not answer.
    """

    def __init__(self, session: Any, keyspace: str) -> None:
        """Prepare the questions; raises cassandra.InvalidRequest where keyspace or tables are missing."""
        session.set_keyspace(keyspace)
        self._session = session
        self._series = session.prepare("SELECT series FROM series_list WHERE grp = 'all'")
        self._feeds = session.prepare(_select(FEED_COLUMNS, "feed_status", "grp = 'all'"))
        self._gaps = session.prepare(_select(GAP_COLUMNS, "gaps", "series = ? ORDER BY start DESC LIMIT ?"))
        self._candles: dict[str, Any] = {}
        rows = session.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,))
        self.timeframes = timeframes_of(row.table_name for row in rows)

    def series(self) -> list[str]:
        """Return every series there is, by name."""
        return sorted(row.series for row in self._session.execute(self._series))

    def feeds(self) -> list[dict[str, Any]]:
        """Return how the feeds are."""
        return feeds_json(self._session.execute(self._feeds))

    def candles(self, series: str, timeframe: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest candles of a series, oldest first; raises KeyError where there is no such timeframe."""
        if timeframe not in self.timeframes:
            raise KeyError(timeframe)
        if timeframe not in self._candles:
            self._candles[timeframe] = self._session.prepare(
                _select(CANDLE_COLUMNS, f"candles_{timeframe}", "series = ? LIMIT ?")
            )
        return candles_json(series, timeframe, self._session.execute(self._candles[timeframe], (series, limit)))

    def gaps(self, series: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest gaps of a series, oldest first."""
        return gaps_json(series, self._session.execute(self._gaps, (series, limit)))


def _select(columns: Sequence[str], table: str, where: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608 - all three are from this package
