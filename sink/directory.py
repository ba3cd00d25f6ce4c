"""PURE. The small tables about all series: the newest candle of each (latest), and which there are (series_list).

Both say little for many records, so what was written is remembered and only news makes a row.
"""

from __future__ import annotations

from schemas.records import Candle, Gap
from schemas.timeframes import HOUR
from sink.tables import Row

GROUP = "all"
REPEAT_US = HOUR
"""How often, by its own time, what is known of a series is said again: another sink may have said otherwise meanwhile, for gaps
and candles of a partition can be read by two. Our choice: a row an hour and series costs nothing.
"""


class Directory:
    """What this process has written to latest and series_list. Grows with the number of series, not with records."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], tuple[int, int]] = {}
        self._listed: dict[str, tuple[int, bool]] = {}

    def forget(self) -> None:
        """Write everything again when it comes by: the store may have lost what it had acknowledged."""
        self._latest.clear()
        self._listed.clear()

    def of_candle(self, candle: Candle, origin: object = None) -> list[Row]:
        """Return the rows that this candle is news for."""
        rows = self._list(candle, True, candle.start, origin)
        name, news = (candle.series, candle.timeframe), (candle.start, candle.version)
        if news > self._latest.get(name, (-1 << 63, 0)):
            self._latest[name] = news
            rows.append(_latest_row(candle, origin))
        return rows

    def of_gap(self, gap: Gap, origin: object = None) -> list[Row]:
        """Return the rows that this gap is news for: a series first seen by its silence, or one no longer served."""
        active = not (gap.cause == "unsubscribed" and gap.to_time is None)
        return self._list(gap, active, gap.from_time, origin)

    def _list(self, seen: Candle | Gap, active: bool, time_us: int, origin: object) -> list[Row]:
        known = self._listed.get(seen.series)
        if known is not None and time_us <= known[0] + (REPEAT_US if known[1] is active else 0):
            return []
        self._listed[seen.series] = (time_us, active)
        # A consolidated series has the source of the moment in each of its candles; it is listed under its own name.
        source, symbol = instrument_in(seen)
        label = symbol if seen.price == "trade" else f"{symbol} {seen.price}"
        values = (GROUP, seen.series, label, source, symbol, seen.price, active)
        # Stamped with the time of what was seen, so that an older sight, read again, does not revive an ended series.
        return [Row("series_list", GROUP, seen.series, time_us, None, values, origin)]


def instrument_in(seen: Candle | Gap) -> tuple[str, str]:
    """Return the source and symbol that a series is called by."""
    source, _, rest = seen.series.partition(":")
    return (source, rest if seen.price == "trade" else rest.removesuffix(f"@{seen.price}"))


def _latest_row(candle: Candle, origin: object) -> Row:
    values = (
        GROUP,
        candle.series,
        candle.timeframe,
        candle.start // 1000,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.trade_count,
        candle.update_count,
        candle.version,
        candle.state,
        candle.coverage,
        candle.gap_cause,
        candle.updated_at // 1000,
    )
    # The version must not lift a candle above the next window's: fills count in thousands of seconds.
    stamp = candle.start + min(candle.version, candle.end - candle.start - 1)
    return Row("latest", GROUP, (candle.series, candle.timeframe), stamp, None, values, origin)
