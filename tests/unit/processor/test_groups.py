"""Consolidated series in the core, case O: A is sim:X, B is alt:Y, times are those of the worked cases."""

from dataclasses import replace

import pytest

from schemas.groups import parse_groups
from schemas.records import Loss
from tests.support.core import at
from tests.support.two_sources import CONFIG, Pair, pair_of


@pytest.fixture
def pair():
    return pair_of()


def both_trade(pair, time, a=10.0, b=20.0):
    pair.a.traded(time, a)
    pair.b.traded(time, b)


def test_case_o_a_is_followed_while_it_is_whole_and_each_candle_names_its_source(pair):
    both_trade(pair, "00:10")
    pair.b.status("01:02")
    assert pair.out() == {}  # b's window is closed, a's is not
    pair.a.status("01:02")
    candle = pair.out()["00:00"]
    assert (candle.source, candle.symbol, candle.close, candle.trade_count, candle.version) == ("sim", "X", 10.0, 1, 2)
    assert (candle.series, candle.state, candle.coverage) == ("group:btc", "final", 1.0)
    mine = replace(pair.out(series="sim:X")["00:00"], series="group:btc")
    assert candle == mine


def test_case_o_b_carries_an_outage_and_a_is_followed_again_after_it(pair):
    for minute in range(5):
        pair.b.traded(f"0{minute}:30", 20.0 + minute)
    pair.a.traded("00:20", 10.0)
    pair.a.status("01:30", "down", good_until="01:10")
    pair.a.status("03:30", good_from="03:15")
    for time in ("03:40", "04:10"):
        pair.a.traded(time, 11.0)
    pair.a.status("05:02", good_from="03:15")
    assert pair.followed() == {"00:00": "sim", "01:00": "alt", "02:00": "alt", "03:00": "alt", "04:00": "sim"}
    assert [c.close for c in pair.out().values()] == [10.0, 21.0, 22.0, 23.0, 11.0]
    parent = pair.out("5m")["00:00"]
    assert (parent.source, parent.symbol, parent.trade_count, parent.volume) == ("sim,alt", "X,Y", 5, 5.0)
    assert (parent.open, parent.high, parent.low, parent.close, parent.coverage) == (10.0, 23.0, 10.0, 11.0, 1.0)
    total = sum(c.fingerprint for c in pair.out().values())
    assert (parent.fingerprint - total) % (1 << 64) == 0


def test_case_o_at_equal_coverage_the_first_is_followed(pair):
    both_trade(pair, "00:10")
    pair.a.status("00:40", "down", good_until="00:20")
    pair.b.status("00:40", "down", good_until="00:20")
    pair.a.status("00:51", good_from="00:50")
    pair.b.status("00:51", good_from="00:50")
    pair.b.status("01:02", good_from="00:50")
    pair.a.status("01:02", good_from="00:50")
    candle = pair.out()["00:00"]
    assert (candle.source, candle.coverage, candle.gap_cause) == ("sim", 0.5, "feed_down")


def test_case_o_silence_of_a_whole_a_is_its_word_and_b_is_not_asked(pair):
    pair.b.traded("00:10", 20.0)
    pair.b.status("01:02")
    pair.a.status("01:02")
    assert pair.out() == {}


def test_case_o_a_silence_found_to_be_a_loss_lets_b_speak(pair):
    pair.b.traded("00:10", 20.0)
    pair.b.status("01:02")
    pair.a.status("01:02")
    pair.a.status("02:40", "stale", good_until="00:05")
    assert pair.followed() == {"00:00": "alt"}


def test_case_o_found_late_switches_to_b_and_an_answer_switches_back_each_with_a_higher_version(pair):
    both_trade(pair, "00:10")
    pair.b.status("01:02")
    pair.a.status("01:02")
    pair.a.status("02:40", "stale", good_until="00:10")
    assert pair.followed()["00:00"] == "alt"
    switched = pair.out()["00:00"]
    assert (switched.state, switched.reason, switched.coverage) == ("revised", "status", 1.0)
    pair.a.status("03:01", good_from="03:00")
    gap = f"sim:X|feed_stale|{at('00:10')}"
    pair.history(
        pair.vendor("00:00", received="03:05", gap_id=gap), pair.result("00:10", "03:00", received="03:05", gap="feed_stale")
    )
    pair.status("03:06", good_from="03:00")
    back = pair.out()["00:00"]
    assert (back.source, back.provenance, back.reason, back.coverage) == ("sim", "vendor", "backfill", 1.0)
    assert back.version > switched.version > 2


def test_b_that_closes_later_gives_a_revised_version(pair):
    both_trade(pair, "00:10")
    pair.a.status("00:40", "down", good_until="00:15")
    pair.a.status("01:02", "down", good_until="00:15")
    assert pair.followed() == {"00:00": "sim"}
    pair.b.status("01:02")
    candle = pair.out()["00:00"]
    assert (candle.source, candle.state, candle.reason) == ("alt", "revised", "status")


def test_a_that_has_never_been_good_is_passed_over_once_its_source_has_said_so():
    pair = Pair()
    pair.b.status("-01:00", good_from="-05:00")
    pair.traded("00:10", 20.0)
    pair.status("01:02")
    assert pair.out() == {}  # nobody has heard of a: it may be good
    pair.a.status("01:02", "refused", good_from=None, symbols=None)
    assert pair.followed() == {"00:00": "alt"}


def test_of_three_the_one_before_is_waited_for():
    pair = Pair(replace(CONFIG, groups=parse_groups("btc=sim:X,alt:Y,third:Z")))
    pair.a.status("-01:00", good_from="-05:00")
    pair.b.status("-01:00", good_from="-05:00")
    pair.source, pair.symbol = "third", "Z"
    pair.status("-01:00", good_from="-05:00")
    pair.traded("00:10", 30.0)
    pair.status("01:02")
    pair.a.status("01:02", "down", good_until="00:00")
    assert pair.out() == {}
    pair.b.status("01:02")
    assert pair.out() == {}  # b is whole and silent


def test_a_late_trade_of_the_followed_one_revises_and_one_of_the_other_does_not(pair):
    both_trade(pair, "00:10")
    pair.b.status("01:02")
    pair.a.status("01:02")
    before = len(pair.out()), pair.out()["00:00"].version
    pair.b.traded("00:30", 21.0, received="01:30")
    assert (len(pair.out()), pair.out()["00:00"].version) == before
    pair.a.traded("00:30", 15.0, received="01:30")
    candle = pair.out()["00:00"]
    assert (candle.high, candle.version, candle.state, candle.reason, candle.late_count) == (15.0, 3, "revised", "late_trade", 1)


def test_a_symbol_that_is_no_longer_served_leaves_the_group_to_the_next(pair):
    for minute in range(4):
        pair.b.traded(f"0{minute}:30", 20.0)
    pair.a.traded("00:10", 10.0)
    pair.a.status("02:00", symbols=())
    pair.b.status("04:02")
    pair.a.status("04:02", symbols=())
    # The minute 01:00 is the word of a whole A: silence.
    assert pair.followed() == {"00:00": "sim", "02:00": "alt", "03:00": "alt"}


@pytest.mark.parametrize("upto", [0, 1, 2, None])
def test_a_restart_in_the_middle_changes_nothing(pair, upto):
    both_trade(pair, "00:10")
    pair.b.traded("01:20", 21.0)
    pair.b.status("01:02")
    pair.a.status("01:02")
    pair.snapshot()
    pair.a.status("01:40", "down", good_until="01:01")
    pair.crash()
    pair.a.status("02:02", "down", good_until="01:01")
    pair.b.status("02:02")
    pair.crash()
    pair.b.status("05:02")
    pair.a.status("05:02", "down", good_until="01:01")
    assert pair.followed() == {"00:00": "sim", "01:00": "alt"}
    assert pair.followed("5m") == {"00:00": "sim,alt"}
    told = len(pair.candles)
    pair.crash()
    pair.a.status("05:03", "down", good_until="01:01")
    assert pair.candles[told:] == []
    parent = pair.out("5m")["00:00"]
    pair.a.traded("00:40", 12.0, received="05:10")
    assert [(c.timeframe, c.state) for c in pair.candles if c.series == "group:btc"][-2:] == [
        ("1m", "revised"),
        ("5m", "revised"),
    ]
    assert pair.out("5m")["00:00"].version > parent.version


def test_a_source_whose_first_state_was_torn_off_twice_is_asked_about_its_first_minutes_too():
    def told(*, torn):
        pair = Pair()
        pair.b.status("00:22", good_from="00:22")
        pair.a.status("00:22", good_from="00:22")
        if torn:  # the feed's state was written, that of its series was not
            pair.snapshot()
            pair.state = {key: value for key, value in pair.state.items() if not key.startswith((b"s|sim", b"t|sim"))}
            pair.crash(keep=False)
        pair.b.traded("00:28", 20.0)
        pair.a.traded("01:02", 10.0)
        if torn:
            pair.crash()
        pair.b.status("03:02", good_from="00:22")
        pair.a.status("03:02", good_from="00:22")
        return {start: (c.source, c.version) for start, c in pair.out().items()}

    assert told(torn=True) == told(torn=False)


def test_quotes_make_a_consolidated_series_of_their_own_price():
    pair = Pair()
    assert [g.name for g in pair.partition.groups.all] == ["group:btc", "group:btc@mid"]


def test_a_group_that_is_gone_leaves_no_state(pair):
    both_trade(pair, "00:10")
    pair.b.status("01:02")
    pair.a.status("01:02")
    pair.snapshot()
    assert [k for k in pair.state if k.startswith(b"g|")]
    pair.config = replace(CONFIG, groups=())
    pair.crash()
    pair.snapshot()
    assert [k for k in pair.state if k.startswith(b"g|")] == []


def test_what_is_old_is_forgotten_with_its_state(pair):
    both_trade(pair, "00:10")
    pair.b.status("01:02")
    pair.a.status("01:02")
    pair.snapshot()
    for hour in range(1, 40):
        pair.b.status(f"{hour}:00:02")
        pair.a.status(f"{hour}:00:02")
    pair.snapshot()
    group = pair.partition.groups.all[0]
    assert min(group.minutes) > at("00:00")
    assert len([k for k in pair.state if k.startswith(b"g|")]) == len({s // 3_600_000_000 for s in group.minutes})


def test_a_loss_inside_b_counts_in_its_coverage_too(pair):
    both_trade(pair, "00:10")
    pair.a.status("00:40", "down", good_until="00:30")
    pair.a.status("00:51", good_from="00:45")
    lost = Loss("Y", "lost_updates", at("00:20"), at("00:50"))
    pair.b.status("00:55", losses=(lost,))
    pair.b.status("01:02")
    pair.a.status("01:02", good_from="00:45")
    assert (pair.out()["00:00"].source, pair.out()["00:00"].coverage) == ("sim", 0.75)


def test_rule_15_b_carries_an_absence_of_a_whose_word_is_the_groups_where_b_is_down(pair):
    for minute in range(5):
        if minute in (0, 4):
            pair.a.traded(f"0{minute}:20", 10.0 + minute)
        if minute < 3:
            pair.b.traded(f"0{minute}:30", 20.0 + minute)
    pair.a.status("01:00", symbols=())
    pair.b.status("03:05", "down", good_until="03:00")
    pair.a.status("03:50", symbol_good_from="03:45")
    pair.b.status("04:10", good_from="04:05")
    pair.b.status("05:02", good_from="04:05")
    pair.a.status("05:02", symbol_good_from="03:45")
    out = pair.out()
    assert {s: (c.source, c.coverage) for s, c in out.items()} == {
        "00:00": ("sim", 1.0),
        "01:00": ("alt", 1.0),
        "02:00": ("alt", 1.0),
        "04:00": ("sim", 1.0),
    }
    assert [hole for hole in pair.holes() if hole[2] == "unsubscribed"] == [("03:00", "04:00", "unsubscribed", "sim")]
