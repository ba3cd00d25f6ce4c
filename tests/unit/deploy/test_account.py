"""The demo's account adds up only when every trade is where it says."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from deploy.cli.account import Account, Generated, Identity, Outage, counted, distinct, in_gaps, missing
from deploy.cli.latency import Sighting, latencies_us, percentile

BALANCED = Account(
    trades_sent=10,
    trades_in_candles=6,
    late=1,
    dead_letters=0,
    repeats_dropped=1,
    lost_in_gaps=2,
    gaps_injected=1,
    gaps_recorded=1,
    candles_in_cassandra=20,
    first_candle_s=9.5,
    latency_p50_ms=200.0,
    latency_p99_ms=400.0,
)


def a_trade(symbol="X", at=1, price=10.0, size=1.0, sent=5):
    return Generated(Identity(symbol, at, price, size), sent)


def test_account_balances_when_every_trade_is_somewhere():
    assert BALANCED.balances


@pytest.mark.parametrize("name", ["trades_sent", "trades_in_candles", "late", "dead_letters", "repeats_dropped", "lost_in_gaps"])
def test_one_trade_too_many_or_too_few_is_no_balance(name):
    assert not replace(BALANCED, **{name: getattr(BALANCED, name) + 1}).balances


def test_an_outage_without_its_gap_is_no_balance():
    assert not replace(BALANCED, gaps_recorded=0).balances


def test_line_has_exactly_the_names_that_were_agreed():
    assert list(json.loads(BALANCED.line())) == [
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
    ]


def test_trades_count_from_their_symbols_first_delivery_on_and_updates_never():
    ledger = [
        a_trade("X", 1, sent=None),
        a_trade("X", 2),
        a_trade("Y", 3, sent=None),
        a_trade("X", 4, sent=None),
        a_trade("X", 5, size=0.0),
    ]
    assert [entry.trade.event_us for entry in counted(ledger)] == [2, 4]


def test_twins_are_missing_only_as_often_as_they_did_not_arrive():
    twins = [a_trade(), a_trade(), a_trade()]
    assert missing(twins, Counter({twins[0].trade: 2})) == [twins[0].trade]


@pytest.mark.parametrize(("at", "inside"), [(9, 0), (10, 1), (19, 1), (20, 0)])
def test_lost_trade_counts_only_inside_a_gap_of_its_own_series(at, inside):
    gaps = [Outage("sim:X", "feed_down", 10, 20), Outage("sim:Y", "feed_down", 0, None)]
    assert in_gaps([a_trade(at=at).trade], gaps, "sim") == inside


def test_lasting_gap_holds_everything_after_its_beginning():
    assert in_gaps([a_trade(at=10**9).trade], [Outage("sim:X", "feed_down", 10, None)], "sim") == 1


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
