"""PURE. Rows to batches: drop what a newer row of the same poll replaces or what would expire at once, group by partition.

A batch holds rows of one partition of one table only: such a batch is one mutation, not a transaction over nodes, and costs a
fraction of single writes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from sink.retention import ttl_s
from sink.tables import Row

MAX_ROWS = 50
"""Rows a batch. Measured: 29 k candles/s at 50 against 6.6 k/s one by one; beyond 50 little is gained."""

Batch = tuple[Row, ...]


@dataclass(frozen=True)
class Plan:
    """What to write, and what was left out."""

    batches: list[Batch]
    expired: list[Row]
    coalesced: int


def coalesce(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each identity, that with the highest stamp (the later one of equals), in order of first sight."""
    newest: dict[tuple[str, Hashable, Hashable], Row] = {}
    for row in rows:
        name = row[:3]
        other = newest.get(name)
        if other is None or row.stamp >= other.stamp:
            newest[name] = row
    return list(newest.values())


def plan(rows: list[Row], now_us: int) -> Plan:
    """Return the batches to write at `now_us` (microseconds UTC), in the order of the rows' first sight."""
    newest = coalesce(rows)
    expired: list[Row] = []
    groups: dict[tuple[str, Hashable], list[Row]] = {}
    for row in newest:
        if row.expires_us is not None and ttl_s(row.expires_us, now_us) is None:
            expired.append(row)
        else:
            groups.setdefault(row[:2], []).append(row)
    batches = [tuple(group[i : i + MAX_ROWS]) for group in groups.values() for i in range(0, len(group), MAX_ROWS)]
    return Plan(batches, expired, len(rows) - len(newest))


def bound(row: Row, now_us: int) -> tuple[object, ...]:
    """Return the values to bind for `row` at `now_us`: columns, write timestamp, remaining life in seconds (0 = keep).

    A row whose life ended while it waited for the store gets its last second: it was planned before, and its neighbours wait.
    """
    ttl = ttl_s(row.expires_us, now_us)
    return (*row.values, row.stamp, 1 if ttl is None else ttl)
