"""PURE. Worlds of two sources on one partition, and what their consolidated series should be: an account of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from hypothesis import strategies as st

from processor.core.config import CoreConfig
from schemas.groups import parse_groups
from schemas.records import Candle, Gap, HistoryCandle, Trade
from schemas.timeframes import MINUTE
from tests.support.worlds import CONFIG, Reader, World, worlds

GROUPED = replace(CONFIG, groups=parse_groups("one=sim:X,alt:X"))
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

    def _collect(self) -> None:
        self._write(self.partition.take_journal(), None)
        out = self.partition.take_out()
        for candle in out.all_candles():
            self.told.append(candle)
            place = candle.series, candle.timeframe, candle.start
            if place not in self.newest or candle.version >= self.newest[place].version:
                self.newest[place] = candle
        for gap in out.gaps:
            if gap.gap_id not in self.gaps or gap.version >= self.gaps[gap.gap_id].version:
                self.gaps[gap.gap_id] = gap

    def of(self, series: str) -> dict[tuple[str, int], Candle]:
        """Return the content of a series' candles, without how and when they were published."""
        return {
            (timeframe, start): replace(c, state="final", reason="none", updated_at=0, input_offset=0)
            for (name, timeframe, start), c in self.newest.items()
            if name == series
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


def closed_to(reader: PairReader, source: str) -> int:
    """Return up to when a source's windows are closed."""
    clocks = [s.complete_to for s in reader.world.statuses if s.source == source]
    return (max(clocks) - reader.config.lateness_us) // MINUTE * MINUTE


def _end_of(gap: Gap) -> int:
    return 1 << 62 if gap.to_time is None else gap.to_time
