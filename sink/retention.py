"""PURE. How long rows are kept, counted from their own time: the defaults, the settings, and the TTL that is left.

A row expires at its own time + retention, however late it is written (law "honest TTL"): a candle's own time is its
start (for each of its versions too), a gap's its beginning, a trade's and a quote's the event time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from schemas.environment import PREFIX, RETENTION
from schemas.timeframes import DAY, HOUR, MINUTE, SECOND, Timeframe, parse

VERSIONS = "candle_versions"
TABLES: dict[str, float] = {"trades": 7, "quotes": 0.125, "gaps": 365, VERSIONS: 30}
"""Tables that are not candles, with their default retention in days. Our choice: ticks are the bulk, gaps the proof.

All versions of a candle are kept for equally long, from its start and whatever its timeframe: were each counted from its
own publication, the first would be gone before the last, and what was known at a moment could no longer be said.
"""
_CANDLE_DAYS: tuple[tuple[int, float], ...] = ((MINUTE - 1, 7), (MINUTE, 30), (5 * MINUTE, 90), (15 * MINUTE, 180), (HOUR, 365))
LONGEST_S = 630_720_000
"""Cassandra's largest TTL, 20 years."""


def default_days(timeframe: Timeframe) -> float:
    """Return the default retention of candles of `timeframe` in days; 0 = for ever (1d and longer)."""
    if timeframe.us >= DAY:
        return 0
    return next((days for us, days in _CANDLE_DAYS if timeframe.us <= us), 730)


def seconds(days: float) -> int:
    """Return a retention in days as the seconds of a table's default TTL; 0 = for ever.

    Raises:
        ValueError: negative, no number, below a second, or above Cassandra's 20 years.
    """
    if not math.isfinite(days) or days < 0:
        raise ValueError(f"{days} is no number of days: 0 (for ever) or more")
    result = round(days * DAY / SECOND)
    if result > LONGEST_S:
        raise ValueError(f"{days:g} days are more than Cassandra's longest TTL, 7300; 0 keeps for ever")
    if days and not result:
        raise ValueError(f"{days} days are less than a second")
    return result


def days_of(timeframes: Iterable[Timeframe], changed: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the retention in days by timeframe name and by table (`TABLES`), `changed` laid over the defaults."""
    days = {t.name: default_days(t) for t in timeframes} | TABLES
    return days | {name: value for name, value in (changed or {}).items() if name in days}


def from_environment(environ: Mapping[str, str]) -> dict[str, float]:
    """Return the retentions set as ``CANDLEWICK_RETENTION_<timeframe>`` and ``_TRADES``, ``_QUOTES`` and so on, in days.

    Raises:
        ValueError: a name is no timeframe nor table, or a value no number of days; the message names the variable.
    """
    prefix, changed = PREFIX + RETENTION, {}
    for variable, text in environ.items():
        if not variable.startswith(prefix):
            continue
        name = variable[len(prefix) :]
        try:
            if name.isupper() and name.lower() in TABLES:
                name = name.lower()
            else:
                parse(name)
            changed[name] = float(text)
            seconds(changed[name])
        except ValueError as error:
            raise ValueError(f"{variable}={text!r}: {error}") from error
    return changed


def variable_of(name: str) -> str:
    """Return the environment variable that sets the retention of a timeframe or table."""
    return PREFIX + RETENTION + (name.upper() if name in TABLES else name)


def ttl_s(expires_us: int | None, now_us: int) -> int | None:
    """Return the TTL to bind for a row written at `now_us`: whole seconds left, 0 = never expires, None = nothing is left.

    Never a null: Cassandra reads a null TTL as "never" even where the table has a default. Never more than it takes: the time
    of a row may lie up to a day ahead of us, which at the longest retention would be too much.
    """
    if expires_us is None:
        return 0
    left = (expires_us - now_us) // SECOND
    return min(left, LONGEST_S) if left > 0 else None
