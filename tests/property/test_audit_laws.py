"""Law 7 as an audit asks it: read again in its stages and portions, the topics make what a processor has made of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from processor.audit.content import differing
from processor.audit.rebuild import Rebuilder, Row
from processor.audit.span import Retained, Span
from processor.audit.stages import Stages
from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.records import FeedStatus, HistoryCandle, Trade
from tests.support.runs import run_worlds
from tests.support.worlds import CONFIG, HOURS, Reader, plans_of, worlds
from tests.support.worlds import thorough as most_thorough

thorough = settings(most_thorough, max_examples=8)
KINDS = (Trade, FeedStatus, HistoryCandle)
ENCODE = {kind: Encoder(kind, n) for n, kind in enumerate(KINDS, 1)}


def rows(kind, records):
    key = {FeedStatus: lambda r: r.source}.get(kind, lambda r: f"{r.source}:{r.symbol}")
    return [Row(i, key(r).encode(), ENCODE[kind](r)) for i, r in enumerate(records)]


def rebuilt(world, config, records, portion):
    """Read as `candlewick audit` does (`processor.audit.run`), in stages of so many records, and portions of so many."""
    low = dict.fromkeys(("trades", "quotes", "history", "feed-status"), 0)
    maker = Rebuilder(config, 0, lambda n: schema_of(KINDS[n - 1]), Retained(low), Span())
    data = {"trades": rows(Trade, world.trades), "quotes": [], "history": rows(HistoryCandle, world.history)}
    at = dict.fromkeys(data, 0)

    def read(dataset, end):
        while at[dataset] < end:
            following = min(end, at[dataset] + portion)
            maker.take(dataset, data[dataset][at[dataset] : following], following)
            at[dataset] = following

    statuses, stages = rows(FeedStatus, world.statuses), Stages(records)
    for first in range(0, len(statuses), portion):
        for stage in stages(maker.statuses(statuses[first : first + portion])):
            maker.take_statuses(stage)
            for dataset, upto in stage.upto._asdict().items():
                read(dataset, upto)
            if stage.ends is not None:
                maker.end_run(stage.ends)
    for dataset, all_of_it in data.items():
        read(dataset, len(all_of_it))
    maker.settle_unnamed()
    return maker


@thorough
@given(
    st.one_of(worlds(with_history=True, with_absences=True), worlds(with_backfill=True, with_history=True)),
    plans_of("trades", "statuses", "history"),
    st.sampled_from([CONFIG, HOURS]),
    st.sampled_from([1, 4, 1000]),
    st.sampled_from([1, 3, 1000]),
)
def test_law_1_7_an_audit_makes_of_a_live_feed_what_the_processor_made(world, plan, config, records, portion):
    reader = Reader(world, config)
    for kind, number, live in plan:
        reader.step(kind, number, live)
    reader.read_on()
    maker = rebuilt(world, config, records, portion)
    candles = {(k.timeframe, k.start): c for k, c in maker.book.candles.items()}
    assert candles.keys() == reader.candles.keys()
    assert [found for place, c in candles.items() if (found := differing(c, vars(reader.candles[place])))] == []
    gaps = {name: g for name, g in maker.book.gaps.items() if g.from_time != g.to_time}
    assert gaps.keys() == {name for name, g in reader.gaps.items() if g.from_time != g.to_time}
    assert [found for name, g in gaps.items() if (found := differing(g, vars(reader.gaps[name])))] == []
    counted = sum(c.trade_count + c.update_count for (name, _), c in candles.items() if name == "1m")
    assert maker.tally.read.total() == counted + maker.open_records().total() + maker.tally.late.total()


@thorough
@given(run_worlds(), st.sampled_from([1, 4, 1000]), st.sampled_from([1, 3, 1000]))
def test_law_7_an_audit_accepts_of_replays_what_the_processor_made(world, records, portion):
    reader = Reader(world).read_on()
    maker = rebuilt(world, CONFIG, records, portion)
    book, closed_to = maker.book, maker.watermarks().get("sim:X", 0)
    for place, candle in reader.candles.items():
        if candle.end > closed_to:
            continue  # closed by its records, which a status has yet to name: in motion
        key = next(k for k in (*book.candles, *book.older_candles) if (k.timeframe, k.start) == place)
        accepted = [*book.older_candles.get(key, []), *([book.candles[key]] if key in book.candles else [])]
        assert any(not differing(one, vars(candle)) for one in accepted)
    assert {(k.timeframe, k.start) for k in book.candles} <= reader.candles.keys()
