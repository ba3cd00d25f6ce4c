"""The laws of the processor as properties: any trades, any outages, any order of reading, any crash; judged by the model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.fingerprint import identity, of_record
from schemas.timeframes import MINUTE
from tests.support import model
from tests.support.worlds import CONFIG, DEATHS, GOOD_FROM, HOURS, SHUT, Reader, plans_of, thorough, worlds

plans = plans_of("trades", "statuses")


@thorough
@given(worlds(), plans, st.sampled_from([CONFIG, HOURS]))
def test_law_2_3_7_8_content_does_not_depend_on_order_batches_or_crashes(world, plan, config):
    plain = Reader(world, config).read_on().content()
    other = Reader(world, config)
    for kind, number, live in plan:
        other.step(kind, number, live)
    found = other.read_on().content()
    assert found[1:] == plain[1:]
    assert found[0] == plain[0]


@thorough
@given(worlds(), st.sampled_from([CONFIG, HOURS]))
def test_law_1_2_6_candles_are_what_the_model_says(world, config):
    reader = Reader(world, config).read_on()
    outages = model.within_hours(world.outages, SHUT) if config is HOURS else world.outages
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    assert reader.late == {i for i, t in enumerate(world.trades) if t not in kept}
    closed = world.end - CONFIG.lateness_us
    for timeframe in CONFIG.timeframes:
        if timeframe.us < MINUTE:
            continue
        wanted = model.candles(kept, outages, GOOD_FROM, timeframe.us // MINUTE)
        wanted = {start: c for start, c in wanted.items() if start + timeframe.us <= closed}
        found = {start: c for (name, start), c in reader.candles.items() if name == timeframe.name}
        assert found.keys() == wanted.keys()
        for start, candle in found.items():
            m = wanted[start]
            assert (candle.open, candle.high, candle.low, candle.close) == (m.open, m.high, m.low, m.close)
            assert candle.volume == float(m.volume)
            assert candle.coverage == pytest.approx(float(m.coverage), abs=1e-12)
            assert candle.trade_count + candle.update_count == m.records
            assert candle.version == m.records + -(-m.lost * 1_000_000 // timeframe.us) + 1
            inside = [t for t in kept if start <= t.event_time < start + timeframe.us]
            prints = [
                of_record(t.event_time, t.price, t.size, identity(t.trade_id, t.venue_sequence, t.epoch, t.sequence))
                for t in inside
            ]
            assert candle.fingerprint & (1 << 64) - 1 == sum(prints) & (1 << 64) - 1


@thorough
@given(worlds())
def test_law_4_5_every_minute_is_accounted_for_by_a_candle_or_one_gap_with_a_cause(world):
    reader = Reader(world).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    closed_to = (world.end - CONFIG.lateness_us) // MINUTE * MINUTE
    assert reader.gap_set() == model.gaps(kept, world.outages, GOOD_FROM, closed_to)


@thorough
@given(worlds())
def test_law_4_5_holds_with_market_hours_where_nothing_is_lost_while_the_market_is_closed(world):
    reader = Reader(world, HOURS).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    closed_to = (world.end - CONFIG.lateness_us) // MINUTE * MINUTE
    outages = model.within_hours(world.outages, SHUT)
    assert reader.gap_set() == model.gaps(kept, outages, GOOD_FROM, closed_to, SHUT)


@thorough
@given(worlds())
def test_law_3_a_parent_is_the_merge_of_its_children(world):
    reader = Reader(world).read_on()
    children = {start: c for (name, start), c in reader.candles.items() if name == "1m"}
    for (name, start), parent in reader.candles.items():
        if name != "5m":
            continue
        mine = [children[s] for s in sorted(children) if start <= s < parent.end]
        assert (parent.open, parent.close) == (mine[0].open, mine[-1].close)
        assert (parent.high, parent.low) == (max(c.high for c in mine), min(c.low for c in mine))
        assert parent.trade_count == sum(c.trade_count for c in mine)
        assert parent.fingerprint & (1 << 64) - 1 == sum(c.fingerprint for c in mine) & (1 << 64) - 1


@thorough
@given(worlds(), plans)
def test_law_6_a_version_never_shrinks_without_a_crash(world, plan):
    reader = Reader(world)
    told: dict[object, int] = {}
    for kind, number, live in [*plan, ("trades", 99, True), ("statuses", 99, True)]:
        if kind in DEATHS:
            continue
        before = reader.partition.out
        reader.step(kind, number, live)
        for record in (*before.candles, *before.gaps):
            place = (record.timeframe, record.start) if hasattr(record, "timeframe") else record.gap_id
            assert record.version > told.get(place, -1)
            told[place] = record.version
