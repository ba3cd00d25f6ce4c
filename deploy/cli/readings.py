"""SHELL (Cassandra). What the demo reads back: its account's sums, closed candles, outages, and when a row became readable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Lock, Thread
from typing import Any

from deploy.cli.account import OUTAGES, Outage
from deploy.cli.latency import Sighting
from deploy.console.view import milliseconds

POLL_S = 0.02
"""How often the sampler asks; what it finds is late by half of that on average (our choice)."""


class Readings:
    """Reads one keyspace; safe to use from threads."""

    def __init__(self, session: Any, keyspace: str, timeframes: Sequence[str]) -> None:
        session.set_keyspace(keyspace)
        self._session = session
        self._timeframes = tuple(timeframes)
        self._series = session.prepare("SELECT series, source FROM series_list WHERE grp = 'all'")
        self._counts = {
            t: session.prepare(f"SELECT trade_count, update_count FROM candles_{t} WHERE series = ?")  # noqa: S608 - a parsed timeframe
            for t in self._timeframes
        }
        self._gaps = session.prepare("SELECT series, cause, state, from_us, to_us FROM gaps WHERE series = ?")
        self._newest = session.prepare(
            "SELECT start, last_event_us, trade_count, update_count FROM candles_1m WHERE series = ? LIMIT 2"
        )
        self._closed = session.prepare(
            "SELECT start, open, high, low, close, volume, trade_count, update_count, coverage, gap_cause, state "
            "FROM candles_10s WHERE series = ? LIMIT 3"
        )

    def series(self, source: str) -> list[str]:
        """Return the series of a source."""
        return sorted(row.series for row in self._session.execute(self._series) if row.source == source)

    def trades_in_candles(self, source: str) -> int:
        """Return the sum of trade_count over the 1m rows of a source."""
        return sum(row.trade_count for name in self.series(source) for row in self._session.execute(self._counts["1m"], (name,)))

    def quotes_in_candles(self, source: str) -> int:
        """Return the sum of update_count over the 1m rows of a source's mid series."""
        names = [name for name in self.series(source) if name.endswith("@mid")]
        return sum(row.update_count for name in names for row in self._session.execute(self._counts["1m"], (name,)))

    def candles(self, source: str) -> int:
        """Return the number of candle rows of a source, all timeframes."""
        names = self.series(source)
        return sum(1 for query in self._counts.values() for name in names for _ in self._session.execute(query, (name,)))

    def outages(self, source: str) -> list[Outage]:
        """Return the recorded gaps of a source that mean an outage of its feed and are not empty."""
        return [
            Outage(row.series, row.cause, row.from_us, None if row.state == "open" else row.to_us, row.state)
            for name in self.series(source)
            for row in self._session.execute(self._gaps, (name,))
            if row.cause in OUTAGES and (row.state == "open" or row.to_us > row.from_us)
        ]

    def newest_closed(self, series: str) -> Any | None:
        """Return the newest closed 10s row of a series, if there is one."""
        return next((row for row in self._session.execute(self._closed, (series,)) if row.state != "live"), None)

    def sightings(self, series: str) -> list[Sighting]:
        """Return the two newest 1m rows of a series with records of its own: about a window's end both change.

        A vendor's candles of the time before are none: they are there before anything is live.
        """
        rows = self._session.execute(self._newest, (series,))
        now_us = time.time_ns() // 1000
        return [
            Sighting(now_us, milliseconds(row.start) * 1000, row.last_event_us)
            for row in rows
            if row.trade_count + row.update_count
        ]


class Sampler:
    """A thread that asks again and again for one series' newest candles, and remembers what changed."""

    def __init__(self, readings: Readings, series: str) -> None:
        self._readings = readings
        self._series_name = series
        self._stop = Event()
        self._lock = Lock()
        self._seen: list[Sighting] = []
        self.first = Event()
        """Set once a candle was readable."""
        self._thread = Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def sightings(self) -> list[Sighting]:
        """Return every change seen so far, in order."""
        with self._lock:
            return list(self._seen)

    def _run(self) -> None:
        from cassandra import DriverException
        from cassandra.cluster import NoHostAvailable

        last: dict[int, int] = {}
        while not self._stop.wait(POLL_S):
            try:
                found = self._readings.sightings(self._series_name)
            except (DriverException, NoHostAvailable):
                continue  # a slow answer is a late sighting, which is what is measured
            with self._lock:
                for sighting in reversed(found):
                    if sighting.last_event_us > last.get(sighting.start_us, -1):
                        last[sighting.start_us] = sighting.last_event_us
                        self._seen.append(sighting)
            if found:
                self.first.set()
