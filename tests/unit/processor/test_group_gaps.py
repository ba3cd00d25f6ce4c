"""Gaps of a consolidated series (R24): why a minute of a group is empty. A is sim:X, B is alt:Y."""

from dataclasses import replace
from datetime import time

import pytest

from processor.core.calendar import Calendar
from processor.core.consolidated import UNKNOWN, Word, choose
from processor.core.group_gaps import TRADED, Piece, Why, pieces
from processor.core.ohlcv import version_of
from schemas.records import Loss
from schemas.timeframes import HOUR, MINUTE, parse_list
from tests.support.core import ZERO, at
from tests.support.two_sources import CONFIG, Pair, pair_of


@pytest.fixture
def pair():
    """Both have traded until minute 0."""
    pair = Pair()
    close(pair, "-09:59")
    for minute in range(9, -1, -1):
        pair.a.traded(f"-0{minute}:30")
        pair.b.traded(f"-0{minute}:30")
    close(pair, "00:02")
    assert pair.holes() == []
    return pair


def close(pair, time):
    pair.b.status(time)
    pair.a.status(time)


def test_pieces_are_runs_of_one_word_and_end_with_the_hour():
    silent, down = Why("no_trades", "a"), Why("feed_down", "a")
    other = Why("no_trades", "b")
    end = ZERO + 6 * MINUTE
    assert pieces(ZERO, end, [None, silent, silent, down, other, other]) == {
        (ZERO + MINUTE, "no_trades"): Piece(ZERO + 3 * MINUTE, "a"),
        (ZERO + 3 * MINUTE, "feed_down"): Piece(ZERO + 4 * MINUTE, "a"),
        (ZERO + 4 * MINUTE, "no_trades"): Piece(None, "b"),
    }
    assert pieces(ZERO, ZERO + HOUR, [silent] * 60) == {(ZERO, "no_trades"): Piece(ZERO + HOUR, "a")}
    assert pieces(ZERO, ZERO, []) == {}


def test_silence_of_a_whole_a_is_a_gap_of_the_group_whatever_b_traded(pair):
    pair.b.traded("00:10")
    close(pair, "01:02")
    assert pair.holes() == [("00:00", None, "no_trades", "sim")]
    pair.a.traded("01:30")
    close(pair, "02:02")
    assert pair.holes() == [("00:00", "01:00", "no_trades", "sim")]
    assert [g.fillable for g in pair.gap_records()] == [False]


def test_an_outage_of_both_is_a_gap_of_the_first_of_those_that_lost_least(pair):
    pair.b.status("00:30", "down", good_until="00:00")
    pair.a.status("00:31", "stale", good_until="00:00")
    pair.b.status("02:02", "down", good_until="00:00")
    pair.a.status("02:02", "stale", good_until="00:00")
    assert pair.holes() == [("00:00", None, "feed_stale", "sim")]
    pair.b.status("02:31", good_from="02:30")
    pair.b.status("03:02", good_from="02:30")
    pair.a.status("03:02", "stale", good_until="00:00")
    # In minute 2 b has lost half of what a has; from minute 3 on it vouches for silence.
    assert pair.holes() == [("00:00", "02:00", "feed_stale", "sim"), ("02:00", None, "feed_down", "alt")]
    pair.b.status("04:02", good_from="02:30")
    pair.a.status("04:02", "stale", good_until="00:00")
    assert pair.holes()[1:] == [("02:00", "03:00", "feed_down", "alt"), ("03:00", None, "no_trades", "alt")]


def test_that_one_was_served_after_all_is_worth_more_than_all_words_behind_it():
    lost = Word(version_of(0, 1, 0, 10**6, True), MINUTE, "producer_down")
    silent = Word(version_of(0, 0, 0, 0, True), 0, "none")
    for behind in range(1, 8):
        before = choose([UNKNOWN, *[lost] * behind])
        after = choose([silent, *[lost] * behind])
        assert before.known < after.known < TRADED
        assert choose([lost] * (behind + 1)).known < TRADED


def test_a_minute_that_b_has_not_closed_is_told_of_a_minute_later(pair):
    pair.b.traded("00:30")
    pair.a.status("01:02", "down", good_until="00:00")
    assert pair.holes() == []
    pair.b.status("01:03")
    assert (pair.holes(), pair.followed()["00:00"]) == ([], "alt")
    pair.a.status("03:02", "down", good_until="00:00")
    assert pair.holes() == [("01:00", None, "feed_down", "sim")]
    pair.b.status("03:03")
    assert pair.holes() == [("01:00", None, "no_trades", "alt")]


def test_one_that_was_never_served_speaks_only_where_nobody_else_does():
    pair = Pair()
    pair.b.status("-01:00", good_from="-02:00")
    pair.a.status("-01:00", "refused", good_from=None, symbols=None)
    pair.b.status("01:02", "down", good_from="-02:00", good_until="00:00")
    pair.a.status("01:02", "refused", good_from=None, symbols=None)
    assert pair.holes() == [("-2:00", "00:00", "no_trades", "alt"), ("00:00", None, "feed_down", "alt")]


def test_a_late_trade_cuts_a_gap_in_two_and_one_at_its_beginning_leaves_nothing_of_it(pair):
    close(pair, "05:02")
    assert pair.holes() == [("00:00", None, "no_trades", "sim")]
    pair.a.traded("02:30", received="05:10")
    assert pair.holes() == [("00:00", "02:00", "no_trades", "sim"), ("03:00", None, "no_trades", "sim")]
    pair.a.traded("00:30", received="05:20")
    assert pair.holes() == [("01:00", "02:00", "no_trades", "sim"), ("03:00", None, "no_trades", "sim")]
    left = next(g for g in pair.gap_records() if g.from_time == at("00:00"))
    assert (left.to_time, left.state, left.detail) == (at("00:00"), "closed", "traded")


def test_a_loss_found_late_takes_silence_and_what_is_filled_gives_it_back_with_higher_versions(pair):
    close(pair, "02:02")
    assert pair.holes() == [("00:00", None, "no_trades", "sim")]
    pair.b.status("02:40", "down", good_until="00:00")
    pair.a.status("02:40", "stale", good_until="00:30")
    assert pair.holes() == [("00:00", None, "feed_stale", "sim")]
    pair.a.status("03:10", good_from="03:00")
    pair.history(pair.vendor("01:00", received="03:20", gap_id=f"sim:X|feed_stale|{at('00:30')}"))
    pair.history(pair.result("00:30", "03:00", received="03:20", gap="feed_stale"))
    pair.b.status("03:21", "down", good_until="00:00")
    pair.a.status("03:21", good_from="03:00")
    # The vendor has minute 1 and, by leaving them out, vouches for the silence of the others.
    assert pair.followed()["01:00"] == "sim"
    assert pair.holes() == [("00:00", "01:00", "no_trades", "sim"), ("02:00", None, "no_trades", "sim")]


def test_a_cause_that_goes_to_and_fro_is_told_each_time_with_a_higher_version(pair):
    def lost(who, cause, first, end):
        who.status("01:10", losses=(Loss(who.symbol, cause, at(first), at(end)),))

    pair.b.status("01:02")
    lost(pair.a, "lost_updates", "00:10", "00:20")
    assert pair.holes() == [("00:00", None, "no_trades", "alt")]
    lost(pair.b, "overflow", "00:10", "00:15")
    assert pair.holes() == [("00:00", None, "overflow", "alt")]
    lost(pair.b, "overflow", "00:15", "00:40")
    assert pair.holes() == [("00:00", None, "lost_updates", "sim")]
    lost(pair.a, "lost_updates", "00:20", "00:55")
    assert pair.holes() == [("00:00", None, "overflow", "alt")]


def test_a_closed_market_is_named_by_the_calendar_of_the_one_that_is_followed():
    friday = 4  # that of minute 0
    shut = Calendar("test", "UTC", (friday, time(0, 4)), (friday, time(0, 2)))
    pair = pair_of(replace(CONFIG, sessions=(("sim:*", shut),)))
    close(pair, "06:02")
    assert [h for h in pair.holes() if h[0] >= "01:00"] == [
        ("02:00", "04:00", "market_closed", "sim"),
        ("04:00", None, "no_trades", "sim"),
    ]


def test_each_hour_has_gaps_of_its_own(pair):
    close(pair, "58:02")
    close(pair, "61:02")
    assert pair.holes() == [("00:00", "60:00", "no_trades", "sim"), ("60:00", None, "no_trades", "sim")]
    assert [g.state for g in pair.gap_records()] == ["closed", "open"]


def test_a_group_begins_with_the_first_of_its_series():
    pair = Pair()
    pair.b.status("00:20", good_from="00:10")
    pair.a.status("02:20", good_from="02:10")
    pair.b.status("03:02", good_from="00:10")
    pair.a.status("03:02", good_from="02:10")
    # In minute 0 b was good from 00:10 on only; a, named at 02:20, speaks of nothing before, and in minute 2 it lost its start.
    assert pair.holes() == [("00:00", "01:00", "partial_start", "alt"), ("01:00", None, "no_trades", "alt")]


@pytest.mark.parametrize("flushed", [True, False])
def test_a_restart_in_the_middle_tells_nothing_twice_and_goes_on(pair, flushed):
    close(pair, "02:02")
    pair.snapshot()
    close(pair, "03:02")
    told = len(pair.gaps)
    pair.crash(keep=flushed)
    close(pair, "03:03")
    again = [g for g in pair.gaps[told:] if g.series == "group:btc"]
    assert again == []
    pair.a.traded("01:10", received="03:10")
    assert pair.holes() == [("00:00", "01:00", "no_trades", "sim"), ("02:00", None, "no_trades", "sim")]


def test_what_a_worker_told_just_before_it_died_is_taken_back_where_it_is_not_so(pair):
    pair.snapshot()
    positions = dict(pair.partition.positions)
    close(pair, "01:02")
    assert pair.holes() == [("00:00", None, "no_trades", "sim")]
    # Its outputs are out, its state is not written. The next one reads a late trade before the statuses.
    pair.crash(keep=False)
    pair.partition.positions.update(positions)
    pair.a.traded("00:40", received="00:50")
    close(pair, "01:02")
    assert pair.holes() == []
    assert [(g.from_time, g.to_time) for g in pair.gap_records()] == [(at("00:00"), at("00:00"))]
    pair.snapshot()
    assert [k for k in pair.state if k.startswith(b"u|")] == []


def test_what_is_old_is_forgotten_with_its_state(pair):
    for hour in range(1, 40):
        close(pair, f"{hour}:00:02")
    pair.snapshot()
    gaps = pair.partition.groups.all[0].gaps
    kept = [k for k in pair.state if k.startswith(b"h|")]
    assert gaps.floor > at("00:00")
    assert len(kept) == len(gaps.told) < 35
    pair.config = replace(CONFIG, groups=())
    pair.crash()
    pair.snapshot()
    assert [k for k in pair.state if k[:2] in (b"h|", b"u|")] == []


def test_the_past_of_a_source_that_joins_late_changes_nothing_that_is_over():
    pair = Pair()
    pair.a.status("-01:00", good_from="-05:00")
    for hour in range(30):
        pair.a.traded(f"{hour}:00:30")
        pair.a.status(f"{hour}:59:02")
    pair.a.status("30:00:02")
    before = pair.out(), pair.holes()
    pair.b.status("30:00:03", good_from="30:00:02")
    pair.history(*(pair.vendor(f"00:{m:02d}:00", received="30:00:10", origin="bootstrap") for m in range(5)))
    pair.status("30:00:12", good_from="30:00:02")
    pair.a.status("30:00:12")
    assert (pair.out(), pair.holes()) == before


def test_what_an_instrument_learns_of_minutes_it_has_forgotten_changes_neither_its_gap_nor_the_groups():
    pair = Pair(replace(CONFIG, timeframes=parse_list("1m,1d")))  # an answer is known as long as a parent can need it
    for moment in ("00:20", "01:02", "3:00:02", "3:30:02"):
        pair.b.status(moment, good_from="00:10")
        pair.a.status(moment, good_from="00:10")
    assert pair.holes()[0] == ("00:00", "01:00", "partial_start", "sim")
    pair.history(pair.result("-10:00", "01:00", received="3:31:00", gap=None))
    pair.b.status("3:32:02", good_from="00:10")
    pair.a.status("3:32:02", good_from="00:10")
    own = [g for g in pair.gaps if g.series == "sim:X" and g.cause == "partial_start"]
    assert [(g.from_time, g.to_time, g.state) for g in own] == [(at("00:00"), at("00:10"), "closed")]
    assert pair.holes()[0] == ("00:00", "01:00", "partial_start", "sim")
