"""A partition of the core driven by hand, in the words of the worked cases: times are mm:ss of one clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from processor.core.config import CoreConfig
from processor.core.partition import Partition
from processor.core.restoring import load
from processor.core.snapshot import dump
from schemas.records import Candle, FeedState, FeedStatus, Gap, HistoryCandle, Loss, Quote, Served, Trade, instrument_of
from schemas.timeframes import DAY, MINUTE, SECOND, parse_list

ZERO = 20_000 * DAY
"""00:00 of the cases: a midnight UTC."""


WEEKEND = {"fri": 20_063, "sat": 20_064, "sun": 20_065}
"""Days of a weekend in winter: 6 to 8 December 2024."""


def at(text: str) -> int:
    """Return ``[hh:]mm:ss[.f]`` of the cases' clock as microseconds UTC.

    A leading minus reaches before midnight; ``fri``, ``sat`` and ``sun`` before the time name the days of one weekend.
    """
    day, _, time = text.rpartition(" ")
    if day:
        return WEEKEND[day] * DAY + at(time) - ZERO
    sign = -1 if text.startswith("-") else 1
    parts = [float(p) for p in text.removeprefix("-").split(":")]
    seconds = sum(p * 60**i for i, p in enumerate(reversed(parts)))
    return int(ZERO + sign * round(seconds * SECOND))


def shown(time_us: int | None) -> str | None:
    """Return a time as ``mm:ss``, with a fraction where it has one."""
    if time_us is None:
        return None
    for day, number in WEEKEND.items():
        if number * DAY <= time_us < (number + 1) * DAY:
            hour, minute = divmod((time_us - number * DAY) // (60 * SECOND), 60)
            return f"{day} {hour:02d}:{minute:02d}:{time_us // SECOND % 60:02d}"
    seconds = (time_us - ZERO) / SECOND
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):02d}:{rest:02.0f}" if rest == int(rest) else f"{int(minutes):02d}:{rest:g}"


CONFIG = CoreConfig(timeframes=parse_list("1m,5m"))


def columns_of(records: Iterable[Trade | Quote | HistoryCandle], first_offset: int) -> pl.DataFrame:
    """Return records as the columns of a batch, with key and offset."""
    rows = [{**vars(r), "key": instrument_of(r.source, r.symbol), "offset": first_offset + i} for i, r in enumerate(records)]
    schema = {
        "trade_id": pl.String,
        "venue_sequence": pl.Int64,
        "gap_id": pl.String,
        "retry_at": pl.Int64,
        "volume": pl.Float64,
        "trade_count": pl.Int64,
        **dict.fromkeys(("open", "high", "low", "close"), pl.Float64),
    }
    return pl.DataFrame(rows, schema_overrides={k: v for k, v in schema.items() if k in rows[0]}, infer_schema_length=None)


@dataclass
class Driven:
    """One partition, with everything it has published."""

    config: CoreConfig = CONFIG
    source: str = "sim"
    epoch: int = 1
    partition: Partition = field(init=False)
    candles: list[Candle] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    late: list[tuple[str, int]] = field(default_factory=list)
    refused: list[tuple[str, int]] = field(default_factory=list)
    ignored: int = 0
    state: dict[bytes, bytes] = field(default_factory=dict)
    _statuses: int = 0
    _sequence: int = 0

    def __post_init__(self) -> None:
        self.partition = Partition(self.config, 0)
        self.partition.caught_up = True

    # Input

    def trade(self, time: str, price: float = 1.0, size: float = 1.0, *, received: str | None = None, **more: Any) -> Trade:
        """Make a trade of series sim:X, received when it happened unless said otherwise."""
        self._sequence += 1
        values = {"symbol": "X", "epoch": self.epoch, "sequence": self._sequence, **more}
        return Trade(
            source=self.source,
            event_time=at(time),
            receive_time=at(received or time),
            price=price,
            size=size,
            **values,
        )

    def trades(self, *trades: Trade) -> None:
        """Give the core one batch of trades."""
        first = self.partition.positions["trades"]
        self.partition.take("trades", columns_of(trades, first), 0)
        self.partition.positions["trades"] = first + len(trades)
        self._collect()

    def traded(self, *args: Any, **more: Any) -> None:
        """Give the core one trade."""
        self.trades(self.trade(*args, **more))

    def quotes(self, *quotes: Quote) -> None:
        """Give the core one batch of quotes."""
        first = self.partition.positions["quotes"]
        self.partition.take("quotes", columns_of(quotes, first), 0)
        self.partition.positions["quotes"] = first + len(quotes)
        self._collect()

    def vendor(self, start: str, *, received: str, ohlc: tuple[float, ...] = (5, 9, 4, 6), **more: Any) -> HistoryCandle:
        """Make a vendor's candle of the minute that begins at `start`, volume 100 unless said otherwise."""
        o, h, low, c = ohlc
        values: dict[str, Any] = {"symbol": "X", "volume": 100.0, "origin": "backfill", "epoch": self.epoch, **more}
        begin = at(start)
        return HistoryCandle(
            self.source,
            start=begin,
            end=begin + MINUTE,
            open=o,
            high=h,
            low=low,
            close=c,
            receive_time=at(received),
            **values,
        )

    def result(self, start: str, end: str, *, received: str, gap: str | None, **more: Any) -> HistoryCandle:
        """Make the result of a backfill of the gap with this cause (None: of a bootstrap) from `start` to `end`."""
        gap_id = None if gap is None else f"{self.source}:X|{gap}|{at(start)}"
        values = {"symbol": "X", "outcome": "complete", "origin": "bootstrap" if gap is None else "backfill", **more}
        return HistoryCandle(
            self.source,
            record="result",
            start=at(start),
            end=at(end),
            receive_time=at(received),
            gap_id=gap_id,
            epoch=self.epoch,
            **values,
        )

    def history(self, *records: HistoryCandle) -> None:
        """Give the core one batch of the history topic."""
        first = self.partition.positions["history"]
        self.partition.take_history(columns_of(records, first))
        self.partition.positions["history"] = first + len(records)
        self._collect()

    def status(
        self,
        time: str,
        state: FeedState = "live",
        *,
        good_from: str | None = "-10:00",
        good_until: str | None = None,
        symbols: Iterable[str] | None = ("X",),
        losses: tuple[Loss, ...] = (),
        symbol_good_from: str | None = None,
        **more: Any,
    ) -> None:
        """Give the core a status sent and complete to `time`, naming the offsets that were processed."""
        begun = None if good_from is None else at(good_from)
        since = begun if symbol_good_from is None else at(symbol_good_from) if symbol_good_from else None
        until = at(good_until) if good_until else (at(time) if state == "live" else None)
        served = None if symbols is None else tuple(Served(s, "trades", since) for s in symbols)
        values: dict[str, Any] = {
            "epoch": self.epoch,
            "sent_at": at(time),
            "complete_to": at(time),
            "trades_offset": self.partition.positions["trades"],
            "quotes_offset": self.partition.positions["quotes"],
            "history_offset": self.partition.positions["history"],
            **more,
        }
        status = FeedStatus(self.source, state, good_from=begun, good_until=until, symbols=served, losses=losses, **values)
        self.partition.take_status(self._statuses, status)
        self._statuses += 1
        self.partition.release(0)
        self._collect()

    def read_again(self, statuses: int) -> None:
        """Take in that as many statuses are read again after a crash: the next ones given have their offsets."""
        self._statuses -= statuses

    def crash(self, *, keep: bool = True) -> None:
        """Snapshot (unless `keep` is False: then the last one counts), forget everything and restore."""
        if keep:
            self.snapshot()
        positions = dict(self.partition.positions)
        self.partition = load(self.config, 0, self.state)
        self.partition.positions.update(positions)
        self.partition.caught_up = True

    def snapshot(self) -> None:
        """Write what changed to the (compacted) state."""
        self._keep(dump(self.partition))

    def _keep(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        for key, value in records:
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def _collect(self) -> None:
        out = self.partition.take_out()
        self._keep(self.partition.take_journal())
        self.candles += out.all_candles()
        self.gaps += out.gaps
        self.ignored += out.ignored
        self.late += [(reason, rows.height) for reason, rows in out.late]
        self.refused += [(reason, rows.height) for reason, rows in out.refused]

    # What a consumer sees

    def latest(self, timeframe: str = "1m") -> dict[str, Candle]:
        """Return the candle of the highest version by window start."""
        found: dict[int, Candle] = {}
        for candle in self.candles:
            if candle.timeframe == timeframe and candle.version >= found.get(candle.start, candle).version:
                found[candle.start] = candle
        return {shown(s) or "": found[s] for s in sorted(found)}

    def gaps_now(self) -> list[tuple[str | None, str | None, str]]:
        """Return (from, to, cause) of every gap that is not empty, highest version each, in order."""
        found: dict[str, Gap] = {}
        for gap in self.gaps:
            if gap.gap_id not in found or gap.version >= found[gap.gap_id].version:
                found[gap.gap_id] = gap
        kept = sorted((g for g in found.values() if g.to_time != g.from_time), key=lambda g: (g.from_time, g.cause))
        return [(shown(g.from_time), shown(g.to_time), g.cause) for g in kept]

    def gap(self, cause: str, start: str) -> Gap:
        """Return the highest version of the gap with this cause and beginning."""
        named = [g for g in self.gaps if g.cause == cause and g.from_time == at(start)]
        return max(named, key=lambda g: g.version)

    def content(self) -> tuple[Any, ...]:
        """Return what is out, highest version each: candles without state, reason and time of publishing; gaps."""
        candles = [
            replace(c, state="final", reason="none", updated_at=0, input_offset=0)
            for t in self.config.timeframes
            for c in self.latest(t.name).values()
        ]
        return candles, self.gaps_now()
