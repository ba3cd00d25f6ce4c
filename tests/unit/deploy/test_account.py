"""The demo's account adds up only when every trade is where it says."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from deploy.cli.account import Balance, Generated, Identity, Outage, counted, distinct, filled, in_gaps, missing, total
from deploy.cli.latency import Sighting, latencies_us, percentile

BALANCED = Balance(
    kind="trades",
    sent=10,
    in_candles=6,
    late=1,
    dead_letters=0,
    repeats_dropped=1,
    lost_in_gaps=2,
    gaps_injected=1,
    gaps_recorded=1,
    gaps_filled=1,
)
QUOTES = replace(BALANCED, kind="quotes", sent=20, in_candles=16)


def an_account(**sources):
    return total(sources, candles=20, first_candle_s=9.5, latency_p50_ms=200.0, latency_p99_ms=400.0)


def a_trade(symbol="X", at=1, price=10.0, size=1.0, sent=5):
    return Generated(Identity(symbol, at, (price, size)), sent)


def test_account_balances_when_every_trade_is_somewhere():
    assert BALANCED.balances


@pytest.mark.parametrize("name", ["sent", "in_candles", "late", "dead_letters", "repeats_dropped", "lost_in_gaps"])
def test_one_trade_too_many_or_too_few_is_no_balance(name):
    assert not replace(BALANCED, **{name: getattr(BALANCED, name) + 1}).balances


def test_an_outage_without_its_gap_is_no_balance():
    assert not replace(BALANCED, gaps_recorded=0).balances


def test_account_of_several_sources_is_their_sum_and_balances_only_if_each_does():
    both = an_account(a=BALANCED, b=QUOTES)
    assert both.balances
    assert (both.trades_sent, both.trades_in_candles, both.lost_in_gaps, both.gaps_recorded) == (30, 22, 4, 2)
    # One too many here and one too few there is no balance, though the sums agree.
    assert not an_account(a=replace(BALANCED, late=2), b=replace(QUOTES, late=0)).balances


def test_line_has_exactly_the_names_that_were_agreed():
    assert list(json.loads(an_account(a=BALANCED).line())) == [
        "trades_sent",
        "trades_in_candles",
        "late",
        "dead_letters",
        "repeats_dropped",
        "lost_in_gaps",
        "gaps_injected",
        "gaps_recorded",
        "candles_in_cassandra",
        "first_candle_s",
        "latency_p50_ms",
        "latency_p99_ms",
        "sources",
    ]


def test_records_count_from_their_symbols_first_delivery_on():
    ledger = [a_trade("X", 1, sent=None), a_trade("X", 2), a_trade("Y", 3, sent=None), a_trade("X", 4, sent=None)]
    assert [entry.record.event_us for entry in counted(ledger, ())] == [2, 4]


def test_trade_that_was_fetched_later_was_delivered_too():
    ledger = [a_trade("X", 1, sent=None), a_trade("X", 2, sent=None), a_trade("X", 3)]
    assert [entry.record.event_us for entry in counted(ledger, {ledger[1].record})] == [2, 3]


def test_twins_are_missing_only_as_often_as_they_did_not_arrive():
    twins = [a_trade(), a_trade(), a_trade()]
    assert missing(twins, Counter({twins[0].record: 2})) == [twins[0].record]


@pytest.mark.parametrize(("at", "inside"), [(9, 0), (10, 1), (19, 1), (20, 0)])
def test_lost_trade_counts_only_inside_a_gap_of_its_own_series(at, inside):
    gaps = [Outage("sim:X", "feed_down", 10, 20), Outage("sim:Y", "feed_down", 0, None)]
    assert in_gaps([a_trade(at=at).record], gaps, "sim") == inside


def test_lasting_gap_holds_everything_after_its_beginning():
    assert in_gaps([a_trade(at=10**9).record], [Outage("sim:X", "feed_down", 10, None)], "sim") == 1


def test_lost_quote_counts_inside_a_gap_of_its_own_prices_series():
    gaps = [Outage("sim:X@mid", "feed_down", 10, 20)]
    lost = [a_trade(at=15).record]
    assert (in_gaps(lost, gaps, "sim", "mid"), in_gaps(lost, gaps, "sim")) == (1, 0)


def test_outage_is_filled_when_its_gap_is_in_every_series():
    one = [Outage("sim:X", "feed_down", 10, 20, "filled"), Outage("sim:Y", "feed_down", 10, 20, "unfillable")]
    assert filled(one) == 0
    assert filled([*one, Outage("sim:X", "feed_down", 50, 60, "filled")]) == 1


def test_one_outage_is_one_however_many_series_it_touched():
    gaps = [Outage("sim:X", "feed_down", 10, 20), Outage("sim:Y", "feed_down", 10, None), Outage("sim:X", "feed_down", 50, 60)]
    assert distinct(gaps) == 2


def test_latency_ends_with_the_first_sighting_that_holds_the_trade():
    sightings = [Sighting(100, 0, 10), Sighting(200, 0, 30), Sighting(300, 60, 61)]
    assert latencies_us([(10, 90), (11, 95), (61, 280), (31, 150)], sightings, 60) == [10, 105, 20]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.99, 4), (0.0, 1)])
def test_percentile_is_one_of_the_values(share, expected):
    assert percentile([4, 1, 3, 2], share) == expected
    assert percentile([], share) is None
