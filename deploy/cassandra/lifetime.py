"""PURE. A table's retention to its TTL, grace and compaction properties.

Tables that expire use time windows, so that whole files are dropped; tables that keep for ever must not (a time-window table
without a TTL only ever grows files), they use the unified strategy.
"""

from __future__ import annotations

_WINDOWS = 30
"""A retention is cut into 20 to 30 compaction windows: fewer keep expired rows long, more keep many files."""
_NICE = (
    *((n * 60, "MINUTES", n) for n in (1, 2, 5, 10, 15, 20, 30)),
    *((n * 3600, "HOURS", n) for n in (1, 2, 3, 4, 6, 8, 12)),
    *((n * 86400, "DAYS", n) for n in (1, 2, 3, 5, 7, 10, 14, 21, 25, 30, 45, 60, 90, 120, 180, 250)),
)
_GRACE_S = 10_800
"""Rows only expire and are never deleted, so the grace bounds the age of hints alone; below the TTL for short-lived tables."""
_RARE_TOMBSTONES = {
    # Late corrections and single series with another retention leave expired rows in old windows; without these three,
    # time windows never look into a file again.
    "tombstone_threshold": "0.2",
    "tombstone_compaction_interval": "86400",
    "unchecked_tombstone_compaction": "true",
}


def window_of(ttl_s: int) -> tuple[str, int]:
    """Return unit and size of the compaction window for rows that live `ttl_s` seconds: the shortest with at most 30 windows."""
    return next(((unit, n) for s, unit, n in _NICE if s * _WINDOWS >= ttl_s), ("DAYS", 250))


def lifetime(ttl_s: int, *, windowed: bool = True, corrected: bool = True) -> str:
    """Return the CQL properties of a table whose rows live `ttl_s` seconds, 0 = for ever.

    Args:
        ttl_s: the table's default TTL, seconds.
        windowed: False where write timestamps do not follow the rows' own time (gaps).
        corrected: rows are written again later (candles), so expired ones must be looked for in old windows.
    """
    compaction = {
        "class": "UnifiedCompactionStrategy",
        "scaling_parameters": "L4" if corrected else "T4",
        "base_shard_count": "1",
    }
    if ttl_s and windowed:
        unit, size = window_of(ttl_s)
        compaction = {
            "class": "TimeWindowCompactionStrategy",
            "compaction_window_unit": unit,
            "compaction_window_size": str(size),
        }
        if corrected:
            compaction |= _RARE_TOMBSTONES
    grace_s = min(_GRACE_S, max(1, ttl_s // 3)) if ttl_s else 864_000
    options = ", ".join(f"'{k}': '{v}'" for k, v in compaction.items())
    return f"default_time_to_live = {ttl_s} AND gc_grace_seconds = {grace_s} AND compaction = {{{options}}}"
