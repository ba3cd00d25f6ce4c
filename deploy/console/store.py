"""SHELL (Cassandra). The live page's questions: the same tables, in the same way, as a dashboard reads them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from deploy.cli.as_of import known_at
from deploy.console.view import CANDLE_COLUMNS, FEED_COLUMNS, GAP_COLUMNS, candles_json, feeds_json, gaps_json, timeframes_of
from processor.core.rolls import Rolls
from processor.core.rolls import timeframes_of as rolled
from processor.shown import instrument_in
from schemas.timeframes import Timeframe, parse
from sink.retention import VERSIONS


class Store:
    """Reads what the page shows. Its statements are prepared once a timeframe; a session is safe to use from threads.

    Every method raises cassandra.DriverException or NoHostAvailable where the server refuses or does not answer.
    """

    def __init__(self, session: Any, keyspace: str, rolls: Rolls = ()) -> None:
        """Prepare the questions; raises cassandra.InvalidRequest where keyspace or tables are missing.

        Args:
            session: of the driver.
            keyspace: where the tables are.
            rolls: where days do not begin at midnight UTC, as the processor has them; tables keep starts, not ends.
        """
        session.set_keyspace(keyspace)
        self._session = session
        self._rolls = rolls
        self._series = session.prepare("SELECT series FROM series_list WHERE grp = 'all'")
        self._feeds = session.prepare(_select(FEED_COLUMNS, "feed_status", "grp = 'all'"))
        self._gaps = session.prepare(_select(GAP_COLUMNS, "gaps", "series = ? ORDER BY start DESC LIMIT ?"))
        versions = _select((*CANDLE_COLUMNS, "published_us"), VERSIONS, "series = ? AND timeframe = ? AND start <= ?")
        self._versions = session.prepare(versions)
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
        return candles_json(
            series, self._timeframe(series, timeframe), self._session.execute(self._candles[timeframe], (series, limit))
        )

    def candles_as_of(self, series: str, timeframe: str, limit: int, moment_us: int) -> list[dict[str, Any]]:
        """Return the newest closed candles as they were known at `moment_us` (microseconds UTC), oldest first.

        Raises KeyError where there is no such timeframe.
        """
        if timeframe not in self.timeframes:
            raise KeyError(timeframe)
        # Newest first, and fetched by pages as they are read: what is older than the limit stays unread.
        rows = self._session.execute(self._versions, (series, timeframe, moment_us // 1000))
        known = [row[:-1] for row in islice(known_at(rows, moment_us), limit)]
        return candles_json(series, self._timeframe(series, timeframe), known)

    def _timeframe(self, series: str, name: str) -> Timeframe:
        return rolled((parse(name),), self._rolls, instrument_in(series))[0]

    def gaps(self, series: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest gaps of a series, oldest first."""
        return gaps_json(series, self._session.execute(self._gaps, (series, limit)))


def _select(columns: Sequence[str], table: str, where: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608 - all three are from this package
