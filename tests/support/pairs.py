"""PURE. Worlds of two sources on one partition, and what their consolidated series should be: an account of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from processor.core.config import CoreConfig
from processor.core.timeline import PRIORITY
from schemas.groups import parse_groups
from schemas.records import Candle, Gap, HistoryCandle, Trade
from schemas.timeframes import MINUTE
from tests.support.worlds import CONFIG, GOOD_FROM, HOURS, Reader, World, worlds

GROUPED = replace(CONFIG, groups=parse_groups("one=sim:X,alt:X"))
WITH_HOURS = replace(GROUPED, sessions=tuple(("*", calendar) for _, calendar in HOURS.sessions))
"""The same with ten minutes in which both markets are closed."""
A, B, GROUP = "sim:X", "alt:X", "group:one"
R = TypeVar("R", Trade, HistoryCandle)
SILENCE = ("no_trades", "market_closed")


@st.composite
def pairs(draw: st.DrawFn) -> World:
    """Two worlds of one instrument each, on one partition: records in order of receipt, statuses in order of sending."""
    a = draw(worlds(with_history=draw(st.booleans())))
    b = _called(draw(worlds(with_history=draw(st.booleans()))), "alt")
    trades, at_a, at_b = _merged(a.trades, b.trades)
    history, history_a, history_b = _merged(a.history, b.history)

    def told(world: World, trade_at: Sequence[int], history_at: Sequence[int]) -> list[object]:
        return [
            replace(s, trades_offset=trade_at[s.trades_offset], history_offset=history_at[s.history_offset])
            for s in world.statuses
        ]

    statuses = sorted([*told(a, at_a, history_a), *told(b, at_b, history_b)], key=lambda s: s.sent_at)  # type: ignore[attr-defined]
    return World(tuple(trades), tuple(statuses), (), max(a.end, b.end), tuple(history))  # type: ignore[arg-type]


def _called(world: World, source: str) -> World:
    return World(
        tuple(replace(t, source=source) for t in world.trades),
        tuple(replace(s, source=source) for s in world.statuses),
        world.outages,
        world.end,
        tuple(replace(h, source=source, gap_id=h.gap_id and h.gap_id.replace("sim:", f"{source}:")) for h in world.history),
    )


def _merged(a: Sequence[R], b: Sequence[R]) -> tuple[list[R], list[int], list[int]]:
    # The records in order of receipt, and for each number of records of either the offset after them.
    order = sorted([*((r.receive_time, 0, i) for i, r in enumerate(a)), *((r.receive_time, 1, i) for i, r in enumerate(b))])
    after: tuple[list[int], list[int]] = ([0], [0])
    for offset, (_, which, _) in enumerate(order):
        after[which].append(offset + 1)
    return [(a, b)[which][i] for _, which, i in order], *after


class PairReader(Reader):
    """Reads a pair; keeps the highest version of each candle by series, and each version told."""

    def __init__(self, world: World, config: CoreConfig = GROUPED) -> None:
        super().__init__(world, config)
        self.newest: dict[tuple[str, str, int], Candle] = {}
        self.told: list[Candle] = []
        self.told_gaps: list[Gap] = []

    def _collect(self) -> None:
        out = self.partition.take_out()
        self._write(self.partition.take_journal(), None)
        for candle in out.all_candles():
            self.told.append(candle)
            place = candle.series, candle.timeframe, candle.start
            if place not in self.newest or candle.version >= self.newest[place].version:
                self.newest[place] = candle
        for gap in out.gaps:
            self.told_gaps.append(gap)
            if gap.gap_id not in self.gaps or gap.version >= self.gaps[gap.gap_id].version:
                self.gaps[gap.gap_id] = gap

    def of(self, series: str) -> dict[tuple[str, int], Candle]:
        """Return the content of a series' candles, without how and when they were published."""
        return {
            (timeframe, start): replace(c, state="final", reason="none", updated_at=0, input_offset=0)
            for (name, timeframe, start), c in self.newest.items()
            if name == series
        }

    def holes(self, series: str) -> set[tuple[str, int | None, str, str]]:
        """Return (id, end, state, whose word it is) of a series' gaps that are not empty."""
        return {
            (g.gap_id, g.to_time, g.state, f"{g.source}:{g.symbol}")
            for g in self.gaps.values()
            if g.series == series and g.to_time != g.from_time
        }


def followed(reader: PairReader) -> dict[int, Candle]:
    """Return, by minute, the candle that the rule says is shown: from what a consumer of candles and gaps knows."""
    mine, other = ({s: c for (t, s), c in reader.of(name).items() if t == "1m"} for name in (A, B))
    lost = sorted((g.from_time, _end_of(g)) for g in reader.gaps.values() if g.series == A and g.cause not in SILENCE)
    losses = [(a, b) for a, b in lost if b > a]
    # A vendor's candles alone may come of a time in which it was not served.
    own = [s for s, c in mine.items() if c.provenance != "vendor"]
    sight = min([g.from_time for g in reader.gaps.values() if g.series == A] + own, default=1 << 62)
    shown: dict[int, Candle] = {}
    for start in sorted(mine.keys() | other.keys()):
        a, b = mine.get(start), other.get(start)
        damaged = start < sight or any(x < start + MINUTE and start < y for x, y in losses)
        if a is not None and (b is None or a.coverage >= b.coverage):
            shown[start] = a
        elif b is not None and (a is not None or damaged):
            shown[start] = b
    return shown


def why_empty(reader: PairReader, start: int) -> tuple[str, str]:
    """Return the cause of a closed minute without a candle, and whose word that is: from what a consumer of gaps knows."""
    asked: list[tuple[int, bool, str, str]] = []
    for name in (A, B):
        if start + MINUTE > closed_to(reader, name.partition(":")[0]):
            break
        if start < GOOD_FROM // MINUTE * MINUTE:  # it was not served then, and vouches for nothing
            asked.append((MINUTE, True, "partial_start", name))
            continue
        of = [g for g in reader.gaps.values() if g.series == name and g.from_time < start + MINUTE and start < _end_of(g)]
        losses = [g for g in of if g.cause not in SILENCE and g.from_time != g.to_time]
        lasting = [g for g in losses if g.state != "filled"]
        lost_us = sum(min(_end_of(g), start + MINUTE) - max(g.from_time, start) for g in lasting)
        if lasting:
            cause: str = min((g.cause for g in lasting), key=PRIORITY.index)
        else:
            (cause,) = {g.cause for g in of if g.cause in SILENCE and g.from_time != g.to_time}
        asked.append((lost_us, False, cause, name))
        if not losses:
            break
    *_, cause, name = min(asked, key=lambda x: x[:2])
    return cause, name


def closed_to(reader: PairReader, source: str) -> int:
    """Return up to when a source's windows are closed."""
    clocks = [s.complete_to for s in reader.world.statuses if s.source == source]
    return (max(clocks) - reader.config.lateness_us) // MINUTE * MINUTE


def _end_of(gap: Gap) -> int:
    return 1 << 62 if gap.to_time is None else gap.to_time
