"""The laws where a symbol is left out of its source's list for a while (rule 15): any order of reading, crash and history."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from schemas.timeframes import MINUTE
from tests.support import model
from tests.support.worlds import CONFIG, DEATHS, GOOD_FROM, HOURS, Reader, plans_of, worlds
from tests.support.worlds import thorough as most_thorough

thorough = settings(most_thorough, max_examples=8)
absences = worlds(with_absences=True)
with_history = worlds(with_absences=True, with_history=True)


@thorough
@given(absences, plans_of("trades", "statuses"))
def test_law_2_7_8_content_around_absences_does_not_depend_on_order_batches_or_crashes(world, plan):
    for config in (CONFIG, HOURS):
        plain = Reader(world, config).read_on().content()
        other = Reader(world, config)
        for kind, number, live in plan:
            other.step(kind, number, live)
        assert other.read_on().content() == plain


@thorough
@given(absences)
def test_law_1_4_5_around_absences_candles_and_gaps_are_what_the_model_says(world):
    reader = Reader(world).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    assert reader.late == {i for i, t in enumerate(world.trades) if t not in kept}
    closed = world.end - CONFIG.lateness_us
    for timeframe in CONFIG.timeframes:
        if timeframe.us < MINUTE:
            continue
        wanted = model.candles(kept, world.outages, GOOD_FROM, timeframe.us // MINUTE)
        wanted = {start: c for start, c in wanted.items() if start + timeframe.us <= closed}
        found = {start: c for (name, start), c in reader.candles.items() if name == timeframe.name}
        assert found.keys() == wanted.keys()
        for start, candle in found.items():
            m = wanted[start]
            assert (candle.open, candle.high, candle.low, candle.close) == (m.open, m.high, m.low, m.close)
            assert candle.trade_count + candle.update_count == m.records
            assert candle.coverage == pytest.approx(float(m.coverage), abs=1e-12)
    assert reader.gap_set() == model.gaps(kept, world.outages, GOOD_FROM, closed // MINUTE * MINUTE)


@thorough
@given(with_history)
def test_law_1_a_vendors_candles_around_absences_never_take_the_place_of_our_trades(world):
    reader = Reader(world).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    closed = world.end - CONFIG.lateness_us
    for name, length in (("1m", MINUTE), ("5m", 5 * MINUTE), ("1h", 60 * MINUTE)):
        counted = sum(c.trade_count + c.update_count for (n, _), c in reader.candles.items() if n == name)
        assert counted == sum(t.event_time // length * length + length <= closed for t in kept)


@thorough
@given(with_history, plans_of("trades", "statuses", "history"))
def test_law_6_around_absences_a_version_never_shrinks_without_a_crash(world, plan):
    reader = Reader(world, replace(CONFIG))
    told: dict[object, int] = {}
    for kind, number, live in [*plan, ("trades", 99, True), ("history", 999, True), ("statuses", 99, True)]:
        if kind in DEATHS:
            continue
        before = reader.partition.out
        reader.step(kind, number, live)
        for record in (*before.candles, *before.gaps):
            place = (record.timeframe, record.start) if hasattr(record, "timeframe") else record.gap_id
            assert record.version > told.get(place, -1)
            told[place] = record.version
