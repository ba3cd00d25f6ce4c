"""The laws with history: any bootstrap, any answers to gaps, read in any order against trades and statuses, with crashes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings

from schemas.timeframes import MINUTE
from tests.support import model, model_history
from tests.support.worlds import CONFIG, DEATHS, GOOD_FROM, Reader, plans_of, worlds
from tests.support.worlds import thorough as most_thorough

histories = worlds(with_history=True)
thorough = settings(most_thorough, max_examples=150)


@thorough
@given(worlds(with_history=True, with_backfill=True), plans_of("trades", "statuses", "history"))
def test_law_2_3_7_8_content_with_history_does_not_depend_on_order_batches_or_crashes(world, plan):
    plain = Reader(world).read_on().content()
    other = Reader(world)
    for kind, number, live in plan:
        other.step(kind, number, live)
    found = other.read_on().content()
    assert found[1:] == plain[1:]
    assert found[0] == plain[0]


@thorough
@given(histories)
def test_law_3_6_rules_19_and_20_candles_with_history_are_what_the_model_says(world):
    reader = Reader(world).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    first = min([GOOD_FROM, *(t.event_time for t in kept)]) // MINUTE * MINUTE
    said = model_history.answers(world.history, world.outages, first, CONFIG.horizon_us)
    lost = model_history.losses(world.outages, GOOD_FROM, said)
    closed = world.end - CONFIG.lateness_us
    starts = {t.event_time // MINUTE * MINUTE for t in kept} | said.candles.keys()
    wanted = {s: model_history.minute(s, kept, lost, said, first) for s in starts}
    found = {start: c for (name, start), c in reader.candles.items() if name == "1m"}
    assert found.keys() == {s for s in starts if s + MINUTE <= closed}
    for start, candle in found.items():
        m = wanted[start]
        assert m is not None
        assert (candle.open, candle.high, candle.low, candle.close) == (m.open, m.high, m.low, m.close)
        assert (candle.volume, candle.trade_count, candle.update_count) == (float(m.volume), m.trades, m.updates)
        assert (candle.provenance, candle.coverage) == (m.provenance, pytest.approx(1 - m.lost / MINUTE, abs=1e-12))
        assert candle.version == m.fills * 10**9 + m.trades + m.updates + -(-m.lost * 1_000_000 // MINUTE) + 1
    for (name, start), parent in reader.candles.items():
        length = parent.end - parent.start
        if length <= MINUTE:
            continue
        children = [wanted[s] for s in sorted(wanted) if start <= s < parent.end]
        missing = sum(m.lost for m in children) + sum(
            model_history.lost_of_empty(s, lost) for s in range(start, parent.end, MINUTE) if s not in wanted
        )
        assert (parent.open, parent.close) == (children[0].open, children[-1].close), name
        assert (parent.high, parent.low) == (max(m.high for m in children), min(m.low for m in children))
        assert parent.volume == float(sum((m.volume for m in children), Fraction(0)))
        assert parent.trade_count == sum(m.trades for m in children)
        assert parent.coverage == pytest.approx(1 - missing / length, abs=1e-12)
        kinds = {m.provenance for m in children}
        assert parent.provenance == (kinds.pop() if len(kinds) == 1 else "mixed")


@thorough
@given(histories)
def test_law_4_5_with_history_every_minute_has_a_candle_or_lies_in_one_gap(world):
    reader = Reader(world).read_on()
    kept = model.accepted(world.trades, CONFIG.horizon_us)
    first = min([GOOD_FROM, *(t.event_time for t in kept)]) // MINUTE * MINUTE
    closed_to = (world.end - CONFIG.lateness_us) // MINUTE * MINUTE
    candles = {start for (name, start) in reader.candles if name == "1m"}
    # A filled gap says what became of a loss; what is still missing there has a gap of its own.
    unfilled = [g for g in reader.gaps.values() if g.from_time != g.to_time and g.state != "filled"]
    for start in range(first, closed_to, MINUTE):
        if start in candles:
            continue
        spans = sorted(
            (max(start, g.from_time), min(start + MINUTE, model_history.FOREVER if g.to_time is None else g.to_time))
            for g in unfilled
            if g.from_time < start + MINUTE and (g.to_time is None or g.to_time > start)
        )
        at = start
        for a, b in spans:
            assert a == at, "a hole, or two gaps of one moment"
            at = b
        assert at == start + MINUTE
    filled = {(g.cause, g.from_time, g.to_time) for g in reader.gaps.values() if g.state == "filled"}
    said = model_history.answers(world.history, world.outages, first, CONFIG.horizon_us)
    complete = {place for place, r in said.of_gap.items() if r.outcome == "complete"}
    assert {x[:2] for x in filled if x[0] != "partial_start"} == {(o.cause, o.start) for o in world.outages} & complete


@thorough
@given(histories, plans_of("trades", "statuses", "history"))
def test_law_6_a_version_never_shrinks_with_history(world, plan):
    reader = Reader(world)
    told: dict[object, tuple[int, object]] = {}
    for kind, number, live in [*plan, ("trades", 99, True), ("history", 99, True), ("statuses", 99, True)]:
        if kind in DEATHS:
            continue
        before = reader.partition.out
        reader.step(kind, number, live)
        for record in (*before.candles, *before.gaps):
            is_candle = hasattr(record, "timeframe")
            place = (record.timeframe, record.start) if is_candle else record.gap_id
            version, content = told.get(place, (-1, None))
            assert record.version > version, (content, record)
            told[place] = record.version, replace(record, updated_at=0)
