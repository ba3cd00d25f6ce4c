"""PURE. Retention as people write and read it: lengths of time as text, and which series an override decides about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sink.overrides import Overrides, Retention, fits
from sink.retention import LONGEST_S

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
EVER = "for ever"


def seconds_of(text: str) -> int:
    """Return seconds of ``60d``, ``12h``, ``30m``, ``90s``, ``60`` (days), or ``ever`` (0).

    Raises:
        ValueError: none of these, below a second, or beyond Cassandra's 20 years.
    """
    if text in ("ever", EVER):
        return 0
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if match is None:
        raise ValueError(f"{text!r} is no length of time: days, as in 60 or 60d, else 12h, 30m, 90s, or ever")
    result = round(float(match[1]) * _UNITS[match[2] or "d"])
    if not 0 < result <= LONGEST_S:
        raise ValueError(f"{text!r} is not within a second and 7300 days; say ever to keep for ever")
    return result


def text_of(keep_s: int) -> str:
    """Return seconds as people write them, in the largest unit that holds them whole."""
    if not keep_s:
        return EVER
    unit = next(u for u in reversed(_UNITS) if keep_s % _UNITS[u] == 0)
    return f"{keep_s // _UNITS[unit]}{unit}"


def decided(overrides: Overrides, pattern: str, name: str, series: Iterable[str]) -> list[str]:
    """Return those of `series` about which this override decides: it fits, and none of the same name fits better."""
    rivals = {key: 0 for key in overrides if key[1] == name}
    return [s for s in series if fits(pattern, s) and _winner(rivals, s) == pattern]


def _winner(rivals: Mapping[tuple[str, str], int], series: str) -> str:
    # The order of sink.overrides.best.
    return min((-len(p.replace("*", "")), p) for p, _ in rivals if fits(p, series))[1]


def listing(
    defaults: Mapping[str, int], rows: Sequence[Any], good: Overrides, series: Sequence[str], instruments: Sequence[str]
) -> list[dict[str, Any]]:
    """Return one line a table and one an override, for `candlewick retention show`.

    Args:
        defaults: seconds by timeframe or table, as the tables have them.
        rows: of the table retention.
        good: those of them that have an effect.
        series: all there are.
        instruments: all there are; trades and quotes are kept by instrument.
    """
    lines = [{"what": name, "series": "*", "kept": text_of(s), "decides": "", "note": "default"} for name, s in defaults.items()]
    for row in sorted(rows, key=lambda r: (list(defaults).index(r.timeframe) if r.timeframe in defaults else -1, r.series)):
        names = instruments if row.timeframe in ("trades", "quotes") else series
        if (row.series, row.timeframe) not in good:
            kept, decides = "", f"nothing: {row.ttl_seconds} seconds cannot be kept"
        elif row.timeframe not in defaults:
            kept, decides = text_of(row.ttl_seconds), "nothing: there is no such table"
        else:
            chosen = decided(good, row.series, row.timeframe, names)
            kept, decides = text_of(row.ttl_seconds), f"{len(chosen)} of {len(names)}"
        lines.append({"what": row.timeframe, "series": row.series, "kept": kept, "decides": decides, "note": row.note or ""})
    return lines


def surely_alive(keep: Retention, changed_us: int, name: str, series: str, own_time_us: int, now_us: int) -> bool:
    """Tell whether a row must still be there, if it was ever written.

    What was written before somebody set an override lives as the table says, so there both lives must last.

    Args:
        keep: as it is now.
        changed_us: when an override was last set; what began later was written under the overrides of now.
        name: timeframe or table.
        series: the row's.
        own_time_us: the row's.
        now_us: microseconds UTC, with some slack added.
    """
    lives = [keep.expires_us(name, own_time_us, series)]
    if own_time_us < changed_us:
        lives.append(Retention(keep.by_name).expires_us(name, own_time_us))
    return all(end is None or end > now_us for end in lives)
