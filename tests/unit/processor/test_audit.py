"""What an audit decides without reading anything: what it can speak of, what differs, what balances, what mends it."""

from collections import Counter
from dataclasses import replace

import pytest

from processor.audit.account import Ledger, accounts
from processor.audit.book import Book, CandleKey
from processor.audit.compare import Comparer, Comparison, Rebuilt, source_and_price
from processor.audit.content import GENERATION, Out, Published, Stored, differing
from processor.audit.rebuild import Rebuilder, Row, Tally
from processor.audit.repair import repairs
from processor.audit.span import Retained, Span
from processor.audit.stages import Offsets, Stages
from processor.audit.telling import line_of
from processor.core.config import CoreConfig
from processor.core.gaps import version_of
from processor.core.outbox import Outbox
from processor.core.timeline import FOREVER
from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.records import Candle, FeedStatus, Gap, Served, Trade
from schemas.timeframes import MINUTE, parse_list
from tests.support.core import at

FRAMES = parse_list("1m")
WHOLE = {"trades": 0, "quotes": 0, "history": 0, "feed-status": 0}


def a_candle(start="00:00", version=4, **more):
    fields = {"close": 11.0, "trade_count": 3, "coverage": 1.0, "state": "final", **more}
    return Candle(
        "sim:X", "sim", "X", "trade", "1m", at(start), at(start) + MINUTE, 10.0, 12.0, 10.0,
        volume=4.0, buy_volume=0.0, vwap=11.0, update_count=0, first_event_time=at(start), last_event_time=at(start),
        version=version, **fields,
    )  # fmt: skip


def a_gap(start="01:00", end="02:00", cause="feed_down", **more):
    to = None if end is None else at(end)
    state = "open" if to is None else "closed"
    fields = {"state": state, "version": version_of(at(start), to, state), **more}
    return Gap(f"sim:X|{cause}|{at(start)}", "sim:X", "sim", "X", "trade", at(start), to, cause, **fields)


def a_book(*records):
    book = Book()
    book.add(Outbox([r for r in records if isinstance(r, Candle)], gaps=[r for r in records if isinstance(r, Gap)]))
    return book


def out(*records):
    published = Published()
    for offset, r in enumerate(records):
        if isinstance(r, Candle):
            published.candles[CandleKey(r.series, r.timeframe, r.start)] = Out(vars(r), 0, offset)
        else:
            published.gaps[r.gap_id] = Out(vars(r), 0, offset)
    return published


def stored(*records, written=100, alive=True):
    candles = {CandleKey(r.series, r.timeframe, r.start): vars(r) for r in records if isinstance(r, Candle)}
    gaps = {r.gap_id: vars(r) for r in records if isinstance(r, Gap)}
    return Stored(candles, gaps, {("candles-1m", 0): written, ("gaps", 0): written}, lambda *_: alive)


def compare(then, published, store=None, *, now=None, closed_to="10:00", low=WHOLE, oldest=(), span=None, older=(), series=()):
    now = then if now is None else now
    retained = Retained(dict(low), dict(oldest))
    for candle in older:
        now.older_candles.setdefault(CandleKey(candle.series, candle.timeframe, candle.start), []).append(candle)
    comparer = Comparer(FRAMES, span or Span(), published, store, series)
    comparer(Rebuilt(0, then, now, {"sim:X": at(closed_to)}, frozenset(), frozenset(), retained))
    return comparer.finish()


def places(comparison):
    return [(d.kind, d.start, dict(d.places)) for d in comparison.differences]


# Content


def test_how_and_when_a_candle_was_published_is_no_content():
    other = replace(a_candle(), state="revised", reason="rebuild", updated_at=9, input_partition=3, input_offset=8)
    assert differing(a_candle(), vars(other)) == []


def test_a_raised_generation_is_no_content():
    assert differing(a_candle(), vars(replace(a_candle(), version=4 + 3 * GENERATION))) == []
    assert differing(a_candle(), vars(replace(a_candle(), version=5 + 3 * GENERATION))) == ["version is 5, should be 4"]


def test_the_version_of_a_groups_gap_says_how_much_was_known_when_it_was_told_and_is_no_content():
    gap = replace(a_gap(), series="group:one")
    assert differing(gap, vars(replace(gap, version=gap.version + 1))) == []
    assert differing(gap, vars(replace(gap, cause="refused"))) == ["cause is refused, should be feed_down"]
    assert differing(a_gap(), vars(replace(a_gap(), version=7)))[0].startswith("version is 7")


@pytest.mark.parametrize("field", ["open", "close", "volume", "trade_count", "late_count", "coverage", "fingerprint"])
def test_every_other_field_is_content(field):
    wrong = replace(a_candle(), **{field: getattr(a_candle(), field) + 1})
    assert [line.split()[0] for line in differing(a_candle(), vars(wrong))] == [field]


# Comparison


def test_what_is_out_as_it_ought_to_be_differs_in_nothing():
    result = compare(a_book(a_candle(), a_gap()), out(a_candle(), a_gap()), stored(a_candle(), a_gap()))
    assert result.differences == []
    assert set(result.counts.items()) == {
        (f"{kind}s compared in {where}", 1) for kind in ("candle", "gap") for where in ("kafka", "cassandra")
    }


def test_a_wrong_value_is_one_difference_with_each_place():
    wrong = a_candle(close=9.0)
    result = compare(a_book(a_candle()), out(wrong), stored(wrong))
    assert places(result) == [
        ("candle", at("00:00"), {"kafka": "close is 9.0, should be 11.0", "cassandra": "close is 9.0, should be 11.0"})
    ]
    assert "in kafka and cassandra: close is 9.0, should be 11.0" in line_of(result.differences[0])


def test_missing_candles_and_gaps_are_found():
    result = compare(a_book(a_candle(), a_gap()), out(), stored())
    assert places(result) == [("candle", at("00:00"), {"kafka": "is missing"}), ("gap", at("01:00"), {"kafka": "is missing"})]


def test_a_row_that_is_gone_is_found_unless_it_is_expired_or_not_written_yet():
    then, published = a_book(a_candle()), [a_candle()]
    assert places(compare(then, out(*published), stored())) == [("candle", at("00:00"), {"cassandra": "is missing"})]
    expired = compare(then, out(*published), stored(alive=False))
    assert (places(expired), expired.counts["candles expired in cassandra"]) == ([], 1)
    behind = compare(then, out(*published), stored(written=0))
    assert (places(behind), behind.counts["candles not yet written to cassandra"]) == ([], 1)


def test_what_no_input_makes_should_not_be_there():
    assert places(compare(a_book(), out(a_candle(), a_gap()))) == [
        ("candle", at("00:00"), {"kafka": "should not be there"}),
        ("gap", at("01:00"), {"kafka": "should not be there"}),
    ]
    assert places(compare(a_book(), out(), stored(a_candle()))) == [("candle", at("00:00"), {"cassandra": "should not be there"})]


def test_law_8_a_row_that_is_still_open_where_nothing_will_ever_close_should_not_be_there():
    row = stored(a_candle(state="live"))
    assert places(compare(a_book(), out(), row, closed_to="10:00")) == [
        ("candle", at("00:00"), {"cassandra": "should not be there"})
    ]
    assert places(compare(a_book(), out(), stored(a_candle(state="live")), closed_to="00:30")) == []


def test_a_day_that_rolls_with_a_wall_clock_is_open_until_the_end_that_its_record_says():
    long = replace(a_candle(), end=at("00:00") + 2 * MINUTE)
    book = a_book(long)
    assert compare(book, out(long), now=a_book(), closed_to="01:30").counts == {"candles open or in motion": 1}
    assert compare(a_book(), out(long), closed_to="01:30").counts == {"candles open or in motion": 1}
    assert len(compare(a_book(), out(long), closed_to="02:00").differences) == 1


def test_windows_that_were_open_or_changed_meanwhile_are_not_compared():
    closed = compare(a_book(), out(a_candle("09:00")), closed_to="10:29")
    assert len(closed.differences) == 1
    still_open = compare(a_book(), out(a_candle("10:00")), closed_to="10:29")
    assert (places(still_open), still_open.counts["candles open or in motion"]) == ([], 1)
    moved = compare(a_book(a_candle()), out(a_candle(version=9)), now=a_book(a_candle(version=5)))
    assert (places(moved), moved.counts["candles open or in motion"]) == ([], 1)


def test_gaps_of_which_nothing_is_left_count_for_nothing():
    empty = a_gap(end="01:00")
    assert places(compare(a_book(empty), out(), stored(empty))) == []
    assert places(compare(a_book(), out(empty), stored(empty))) == []
    assert len(compare(a_book(a_gap()), out(empty)).differences) == 1


def test_an_older_run_of_a_replay_may_have_the_higher_version():
    old, new = a_candle(version=9, trade_count=8), a_candle()
    assert places(compare(a_book(new), out(old), older=[old])) == []
    assert places(compare(a_book(), out(old), older=[old])) == []
    assert len(compare(a_book(new), out(a_candle(version=10)), older=[old]).differences) == 1


def test_range_and_series_bound_what_is_compared():
    wrong = out(a_candle(close=9.0), a_candle("05:00", close=9.0))
    then = a_book(a_candle(), a_candle("05:00"))
    assert [d.start for d in compare(then, wrong, span=Span(at("01:00"), at("06:00"))).differences] == [at("05:00")]
    assert compare(then, out(a_candle(close=9.0)), series=["sim:Y"]).differences == []


# What is checkable


def test_live_windows_before_the_oldest_record_left_plus_one_are_not_checkable():
    low, oldest = {**WHOLE, "trades": 7}, {"trades": at("03:10")}
    then = a_book(a_candle("03:00"), a_candle("04:00"), a_candle("05:00"))
    result = compare(then, out(), low=low, oldest=oldest)
    assert [d.start for d in result.differences] == [at("05:00")]
    assert result.counts["candles not checkable"] == 2
    assert result.uncompared["sim:X"] == 6


def test_live_gaps_begin_two_minutes_after_the_oldest_record_left_to_be_checkable():
    low, oldest = {**WHOLE, "trades": 7}, {"trades": at("03:10")}
    told = [replace(a_gap(), gap_id=f"sim:X|feed_down|{at(m)}", from_time=at(m), to_time=at("09:00")) for m in ("05:05", "05:10")]
    result = compare(a_book(*told), out(), low=low, oldest=oldest)
    assert [d.start for d in result.differences] == [at("05:10")]
    assert result.counts["gaps not checkable"] == 1


def test_a_topic_of_which_nothing_is_left_makes_its_series_uncheckable():
    retained = Retained({**WHOLE, "quotes": 9})
    assert retained.checkable("sim", "trade", at("00:00"), MINUTE, replay=False)
    assert not retained.checkable("sim", "mid", at("59:00"), MINUTE, replay=False)


@pytest.mark.parametrize(("first", "whole"), [(5, False), (7, True)])
def test_a_replay_is_checkable_where_its_runs_have_kept_their_beginnings(first, whole):
    retained = Retained({**WHOLE, "trades": 7, "feed-status": 3})
    for offset in (4, 5):
        retained.saw_status(offset, FeedStatus("replay", "live", epoch=1, trades_offset=first + offset - 4, replay=True))
    assert retained.checkable("replay", "trade", at("00:00"), MINUTE, replay=True) is whole


# Stages


def a_status(epoch, trades, *, replay=True, source="sim"):
    return FeedStatus(source, "live", epoch=epoch, trades_offset=trades, replay=replay)


def test_a_run_is_read_to_its_end_before_the_next_begins():
    statuses = list(enumerate([a_status(1, 0), a_status(1, 10), a_status(2, 12), a_status(2, 20)]))
    assert [([o for o, _ in s.statuses], s.upto, s.ends) for s in Stages()(statuses)] == [
        ([0, 1], Offsets(10, 0, 0), "sim"),
        ([2, 3], Offsets(20, 0, 0), None),
    ]


def test_a_run_that_goes_on_over_two_portions_of_statuses_is_still_one():
    stages = Stages()
    assert [s.ends for s in stages([(0, a_status(1, 5))])] == [None]
    assert [s.ends for s in stages([(1, a_status(1, 9)), (2, a_status(2, 9))])] == ["sim", None]


def test_live_feeds_are_read_in_portions():
    statuses = [(i, a_status(1, 10 * i, replay=False)) for i in range(10)]
    assert [s.upto.trades for s in Stages(records=40)(statuses)] == [40, 80, 90]


# Rebuilding


def rows_of(record, *records):
    encode = Encoder(record, 1)
    keys = {Trade: lambda r: f"{r.source}:{r.symbol}", FeedStatus: lambda r: r.source}
    return [Row(i, keys[record](r).encode(), encode(r)) for i, r in enumerate(records)]


def a_rebuilder(record, **more):
    return Rebuilder(CoreConfig(timeframes=FRAMES), 0, lambda _: schema_of(record), Retained(dict(WHOLE)), Span(**more))


def trades(*times, received=None):
    return [Trade("sim", "X", at(t), at(received or t), 10.0, 1.0, epoch=1, sequence=i) for i, t in enumerate(times)]


def closing(time, end):
    served = (Served("X", "trades", at("00:00")),)
    return [FeedStatus("sim", "live", "", 1, 0, at(time), at("00:00"), at(time), at(time), end, symbols=served)]


def test_a_rebuild_says_what_ought_to_be_out_and_counts_every_record():
    maker = a_rebuilder(Trade)
    rows = [
        *rows_of(Trade, *trades("00:10", "00:20", "01:10", "00:30", received="02:59:00")[3:], *trades("00:10", "00:20", "01:10"))
    ]
    maker.take("trades", [*rows, Row(4, b"sim:X", b"rubbish"), Row(5, b"sim:Y", rows[1].value)], 6)
    (stage,) = Stages()([(0, s) for s in closing("01:05", 6)])
    maker.take_statuses(stage)
    maker.take("trades", [], 6)
    assert {k.start: c.trade_count for k, c in maker.book.candles.items()} == {at("00:00"): 2}
    assert maker.open_records() == {"sim:X": 1}
    assert {(p.dataset, p.offset) for p in maker.dead} == {("trades", 4), ("trades", 5)}
    assert maker.late == {(b"sim:X", rows[0].value)}
    ledger = Ledger(maker.tally, maker.open_records(), missing_late=Counter(), missing_dead=Counter())
    assert {a.series: (a.read, a.open, a.late, a.dead_letters) for a in accounts(Comparison(), [ledger])} == {
        "sim:X": (5, 1, 1, 1),
        "sim:Y": (1, 0, 0, 1),
    }


def test_a_range_bounds_what_is_counted():
    maker = a_rebuilder(Trade, start=at("00:30"), end=at("02:00"))
    maker.take("trades", rows_of(Trade, *trades("00:10", "00:40", "01:10", "01:59", "02:00")), 5)
    assert maker.tally.read == {("sim:X", 0): 2}


# The account


def test_law_1_an_account_balances_only_when_every_record_is_somewhere():
    tally = Tally(read=Counter({("sim:X", 0): 6}), late=Counter({("sim:X", 0): 1}))
    result = compare(a_book(a_candle()), out(a_candle()))
    (whole,) = accounts(result, [Ledger(tally, Counter({"sim:X": 2}), Counter(), Counter())])
    assert (whole.in_candles, whole.open, whole.late, whole.balances) == (3, 2, 1, True)
    (short,) = accounts(compare(a_book(a_candle()), out()), [Ledger(tally, Counter({"sim:X": 2}), Counter(), Counter())])
    assert not short.balances
    (lost,) = accounts(result, [Ledger(tally, Counter({"sim:X": 2}), Counter({"sim:X": 1}), Counter())])
    assert not lost.balances


def test_law_1_only_the_newest_run_of_a_replay_is_in_the_account():
    tally = Tally(read=Counter({("sim:X", 1): 9, ("sim:X", 2): 3}), newest={"sim": 2})
    (account,) = accounts(compare(a_book(a_candle()), out(a_candle())), [Ledger(tally, Counter(), Counter(), Counter())])
    assert (account.read, account.balances) == (3, True)


# Repair


def test_a_wrong_candle_is_published_with_its_content_under_the_raised_generation():
    result = compare(a_book(a_candle()), out(a_candle(version=99, close=1.0)))
    ((repair,), left) = repairs(result.differences, 2, 77)
    assert left == []
    assert repair.record == replace(a_candle(), version=4 + 2 * GENERATION, state="revised", reason="rebuild", updated_at=77)
    assert compare(a_book(a_candle()), out(repair.record)).differences == []


def test_a_strange_gap_is_told_as_empty():
    ((repair,), left) = repairs(compare(a_book(), out(a_gap())).differences, 1, 77)
    assert (repair.record.from_time, repair.record.to_time, left) == (at("01:00"), at("01:00"), [])
    assert repair.record.version > a_gap().version
    assert compare(a_book(), out(repair.record)).differences == []


def test_what_no_publication_can_mend_is_left_with_its_reason():
    higher = a_gap(end="01:30")  # shorter, so of a higher version
    differences = [*compare(a_book(a_gap()), out(higher)).differences, *compare(a_book(), out(a_candle())).differences]
    mended, left = repairs(differences, 1, 77)
    assert mended == []
    assert [why.split(":")[0].split(",")[0] for _, why in left] == [
        "a gap of a higher version is out",
        "no record is in this window",
    ]


def test_a_gap_that_is_missing_or_of_a_lower_version_is_published():
    for published in (out(), out(a_gap(end=None))):
        ((repair,), left) = repairs(compare(a_book(a_gap()), published).differences, 1, 77)
        assert (repair.record, left) == (replace(a_gap(), updated_at=77), [])


@pytest.mark.parametrize("wanted", [a_gap(), None])
def test_a_groups_gap_that_is_wrong_or_strange_can_always_be_mended(wanted):
    book = a_book(*([] if wanted is None else [replace(wanted, series="group:one", version=17)]))
    wrong = replace(a_gap(), series="group:one", version=40, to_time=at("03:00"))
    ((repair,), left) = repairs(compare(book, out(wrong)).differences, 1, 77)
    assert (repair.record.version, repair.record.to_time, left) == (41, at("02:00") if wanted else at("01:00"), [])
    assert compare(book, out(repair.record)).differences == []


@pytest.mark.parametrize(
    ("series", "told"),
    [("sim:X", ("sim", "trade")), ("sim:X@mid", ("sim", "mid")), ("sim:A@B", ("sim", "trade")), ("sim:A:B@ask", ("sim", "ask"))],
)
def test_a_series_name_tells_its_source_and_price(series, told):
    assert source_and_price(series) == told


def test_a_finished_series_is_closed_for_ever():
    assert Rebuilt(0, Book(), Book(), {"sim:X": FOREVER}, frozenset({"sim:Y"}), frozenset(), Retained({})).closed_to("sim:Y") < 0
