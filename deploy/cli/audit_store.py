"""SHELL (Cassandra). What an audit compares in Cassandra: rows with the names of the records' fields, and how long they live."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from deploy.cli.keeping import surely_alive
from deploy.cli.renderings import epoch_ms
from processor.audit.book import CandleKey
from processor.audit.content import Found, Stored
from processor.audit.span import Question
from schemas.timeframes import SECOND, Timeframe
from schemas.topics import GAPS, SINK_GROUP, candles_dataset, group_name, topic_name
from sink.overrides import Retention, checked
from sink.rows import OPEN_ENDED_US, UNKNOWN_MISSING

_EVER = 1 << 53
"""Milliseconds after everything; within what the driver can turn into a moment it need not be."""
_SLACK_US = 60 * SECOND
"""A row this near to its end may be gone while we look (our choice)."""
_CANDLE = {
    **{n: n for n in ("series", "open", "high", "low", "close", "volume", "buy_volume", "vwap", "trade_count", "update_count")},
    **{n: n for n in ("late_count", "version", "state", "provenance", "coverage", "gap_cause", "fingerprint")},
    "first_event_time": "first_event_us",
    "last_event_time": "last_event_us",
}
"""Field of the record -> column."""


class Store:
    """Reads one keyspace; called by the audit at the moment when it is to be read."""

    def __init__(self, session: Any, keyspace: str, prefix: str) -> None:
        self._session, self._keyspace, self._prefix = session, keyspace, prefix

    def __call__(self, question: Question, timeframes: Collection[Timeframe]) -> Stored:
        """Return what is asked for. How far the sink has come is read first, so that everything below is in the rows."""
        written = self._written(timeframes)
        candles: dict[CandleKey, Found] = {}
        for timeframe in timeframes:
            table = f"{self._keyspace}.candles_{timeframe.name}"
            columns = ", ".join(_CANDLE.values())
            query = f"SELECT start, {columns} FROM {table} WHERE series = ? AND start >= ? AND start < ?"  # noqa: S608 - our names
            select = self._session.prepare(query)
            first, end = (max(-_EVER, min(_EVER, -(-x // 1000))) for x in (question.span.start, question.span.end))
            for series in self._series(question, table):
                for row in self._session.execute(select, (series, first, end)):
                    start = _us(row.start)
                    fields = {name: getattr(row, column) for name, column in _CANDLE.items()}
                    candles[CandleKey(series, timeframe.name, start)] = {**fields, "start": start}
        return Stored(candles, self._gaps(question), written, self._alive(timeframes))

    def _gaps(self, question: Question) -> dict[str, Found]:
        table = f"{self._keyspace}.gaps"
        select = self._session.prepare(f"SELECT * FROM {table} WHERE series = ?")  # noqa: S608 - our own names
        return {
            row.gap_id: {
                "gap_id": row.gap_id,
                "series": row.series,
                "from_time": row.from_us,
                "to_time": None if row.to_us == OPEN_ENDED_US else row.to_us,
                "cause": row.cause,
                "detail": row.detail,
                "missing": None if row.missing == UNKNOWN_MISSING else row.missing,
                "state": row.state,
                "version": row.version,
                "fillable": row.fillable,
                "why_not": row.why_not,
            }
            for series in self._series(question, table)
            for row in self._session.execute(select, (series,))
            if question.wanted(row.series, row.from_us)
        }

    def _series(self, question: Question, table: str) -> Iterable[str]:
        if question.series:
            return sorted(question.series)
        return sorted(row.series for row in self._session.execute(f"SELECT DISTINCT series FROM {table}"))  # noqa: S608

    def _written(self, timeframes: Collection[Timeframe]) -> Mapping[tuple[str, int], int]:
        datasets = [GAPS.dataset, *(candles_dataset(t.name) for t in timeframes)]
        dataset_of = {topic_name(d, self._prefix): d for d in datasets}
        query = f"SELECT topic, part, next_offset FROM {self._keyspace}.positions WHERE consumer_group = %s"  # noqa: S608
        rows = self._session.execute(query, (group_name(SINK_GROUP, self._prefix),))
        return {(dataset_of[r.topic], r.part): r.next_offset for r in rows if r.topic in dataset_of}

    def _alive(self, timeframes: Collection[Timeframe]) -> Any:
        query = "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s"
        lifetimes = {r.table_name: r.default_time_to_live for r in self._session.execute(query, (self._keyspace,))}
        by_name = {t.name: lifetimes[f"candles_{t.name}"] for t in timeframes} | {"gaps": lifetimes["gaps"]}
        query = f"SELECT series, timeframe, ttl_seconds, WRITETIME(ttl_seconds) AS set_us FROM {self._keyspace}.retention"  # noqa: S608
        rows = list(self._session.execute(query))
        keep = Retention(by_name, checked((r.series, r.timeframe, r.ttl_seconds) for r in rows)[0])
        changed_us = max((r.set_us or 0 for r in rows), default=0)
        soon = time.time_ns() // 1000 + _SLACK_US

        def alive(name: str, series: str, own_time: int) -> bool:
            return surely_alive(keep, changed_us, name, series, own_time, soon)

        return alive


def _us(moment: datetime) -> int:
    return int(epoch_ms(moment)) * 1000
