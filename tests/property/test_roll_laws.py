"""The laws where windows are of unequal length, as days are that roll with a wall clock; with history and crashes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import time
from fractions import Fraction

import pytest
from hypothesis import given, settings

from processor.core.rolls import Roll, Rolled
from schemas.timeframes import HOUR, MINUTE
from tests.support import model, model_history
from tests.support.core import ZERO
from tests.support.worlds import CONFIG, DEATHS, GOOD_FROM, Reader, plans_of, worlds
from tests.support.worlds import thorough as most_thorough

LENGTHS = {5 * MINUTE: (4, 7, 5, 3, 6), HOUR: (50, 70, 61)}
"""Minutes of windows, one after the other: what 23, 24 and 25 hours are to a day."""


def begins(us: int) -> tuple[int, ...]:
    found, i = [ZERO - 4 * HOUR], 0
    while found[-1] < ZERO + 24 * HOUR:
        found.append(found[-1] + LENGTHS[us][i % len(LENGTHS[us])] * MINUTE)
        i += 1
    return tuple(found)


BEGINS = {us: begins(us) for us in LENGTHS}


@dataclass(frozen=True)
class Uneven(Roll):
    """Rolls so often that a session of some minutes has several."""

    def of(self, timeframe):
        return Rolled.of(timeframe, BEGINS[timeframe.us]) if timeframe.us in BEGINS else timeframe


UNEVEN = replace(CONFIG, rolls=(("sim:*", Uneven(time(0), "UTC")),))
histories = worlds(with_history=True)
thorough = settings(most_thorough, max_examples=60)


@thorough
@given(histories, plans_of("trades", "statuses", "history"))
def test_law_2_3_7_8_content_of_uneven_windows_does_not_depend_on_order_batches_or_crashes(world, plan):
    plain = Reader(world, UNEVEN).read_on().content()
    other = Reader(world, UNEVEN)
    for kind, number, live in plan:
        other.step(kind, number, live)
    found = other.read_on().content()
    assert found[1:] == plain[1:]
    assert found[0] == plain[0]


@thorough
@given(histories)
def test_law_3_an_uneven_window_is_the_merge_of_its_minutes_and_its_coverage_the_mean_of_theirs(world):
    reader = Reader(world, UNEVEN).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    first = min([GOOD_FROM, *(t.event_time for t in kept)]) // MINUTE * MINUTE
    said = model_history.answers(world.history, world.outages, first, CONFIG.horizon_us)
    lost = model_history.losses(world.outages, GOOD_FROM, said)
    starts = sorted({t.event_time // MINUTE * MINUTE for t in kept} | said.candles.keys())
    wanted = {s: model_history.minute(s, kept, lost, said, first) for s in starts}
    closed = world.end - CONFIG.lateness_us
    for timeframe in CONFIG.timeframes:
        if timeframe.us not in BEGINS:
            continue
        borders = BEGINS[timeframe.us]
        ends = {borders[bisect_right(borders, s) - 1]: borders[bisect_right(borders, s)] for s in starts}
        found = {start: c for (name, start), c in reader.candles.items() if name == timeframe.name}
        assert {s: c.end for s, c in found.items()} == {s: e for s, e in ends.items() if e <= closed}
        for start, parent in found.items():
            minutes = (parent.end - parent.start) // MINUTE
            children = [wanted[s] for s in starts if start <= s < parent.end]
            empty = [s for s in range(start, parent.end, MINUTE) if s not in wanted]
            missing = sum(m.lost for m in children) + sum(model_history.lost_of_empty(s, lost) for s in empty)
            assert (parent.open, parent.close) == (children[0].open, children[-1].close)
            assert (parent.high, parent.low) == (max(m.high for m in children), min(m.low for m in children))
            assert parent.volume == float(sum((m.volume for m in children), Fraction(0)))
            assert parent.trade_count == sum(m.trades for m in children)
            assert parent.coverage == pytest.approx(1 - missing / (minutes * MINUTE), abs=1e-12)


@thorough
@given(histories, plans_of("trades", "statuses", "history"))
def test_law_6_versions_of_uneven_windows_never_shrink(world, plan):
    reader = Reader(world, UNEVEN)
    told: dict[tuple[str, int], int] = {}
    for kind, number, live in [*plan, ("trades", 99, True), ("history", 99, True), ("statuses", 99, True)]:
        if kind in DEATHS:
            continue
        before = reader.partition.out
        reader.step(kind, number, live)
        for candle in before.candles:
            assert candle.version > told.get((candle.timeframe, candle.start), -1)
            told[candle.timeframe, candle.start] = candle.version
