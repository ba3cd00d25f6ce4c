"""Retention of single series: what operators set while the sink runs, and what becomes of rows written before and after."""

import json
import time

import pytest

from schemas.timeframes import DAY, MINUTE, SECOND
from tests.support.feeding import a_candle, a_trade, feeding
from tests.support.services import Service, candlewick, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NOW = time.time_ns() // 1000 // MINUTE * MINUTE
SETTINGS = {"CANDLEWICK_TIMEFRAMES": "1m", "CANDLEWICK_COMMIT_LAG_S": "0", "CANDLEWICK_PARTITIONS": "2"}


@pytest.fixture(scope="module")
def space(make_space):
    return make_space(SETTINGS)


def ttl_of(feed, series, start):
    query = f"SELECT TTL(close) AS ttl FROM {feed.space.keyspace}.candles_1m WHERE series = %s AND start = %s"
    return feed.session.execute(query, (series, start // 1000)).one().ttl


def left_s(own_us, days):
    return (own_us + days * DAY - time.time_ns() // 1000) / SECOND


def test_what_operators_set_at_run_time_applies_to_what_is_written_from_then_on(space, tmp_path):
    sink = Service("sink", space.env, tmp_path).start()
    first, later = NOW - 2 * MINUTE, NOW - MINUTE
    try:
        with feeding(space) as feed:
            names = {"ig:EURUSD@mid": 60, "ig:USDTRY@mid": 14, "ig:GBPUSD@mid": 30}
            feed.send([a_candle(first, 1, series=name) for name in names])
            feed.wait([sink])
            candlewick(space.env, "retention", "set", "ig:*TRY*", "1m", "14d", "--note", "exotic")
            said = candlewick(space.env, "retention", "set", "ig:EURUSD*", "1m,trades", "60d")
            assert "longer than the table's 30d" in said
            wait_until(lambda: sink.tail(100).count("retention.changed") >= 1, 20, "the sink to read it", [sink])
            wait_until(lambda: '"overrides": 3' in sink.tail(100), 20, "the sink to read all of it", [sink])
            feed.send([a_candle(later, 1, series=name) for name in names])
            feed.send([a_trade(1, NOW, symbol="EURUSD", source="ig"), a_trade(1, NOW, symbol="GBPUSD", source="ig")])
            feed.wait([sink])
            for name, days in names.items():
                assert ttl_of(feed, name, first) == pytest.approx(left_s(first, 30), abs=2), "what was there keeps its life"
                assert ttl_of(feed, name, later) == pytest.approx(left_s(later, days), abs=2), name
            lives = dict(feed.rows("trades", "instrument, TTL(price)"))
            assert lives["ig:EURUSD"] == pytest.approx(left_s(NOW, 60), abs=2)
            assert lives["ig:GBPUSD"] == pytest.approx(left_s(NOW, 7), abs=2)
        assert sink.stop() == 0
    finally:
        sink.discard()
    shown = json.loads(candlewick(space.env, "retention", "show", "--format", "json"))
    lines = {(line["what"], line["series"]): line for line in shown}
    assert lines["1m", "*"]["kept"] == "30d"
    assert lines["1m", "ig:*TRY*"] == {"what": "1m", "series": "ig:*TRY*", "kept": "14d", "decides": "1 of 3", "note": "exotic"}
    candlewick(space.env, "retention", "unset", "ig:EURUSD*", "1m")
    assert "ig:EURUSD*" in candlewick(space.env, "retention", "show"), "the trades' stays"
    candlewick(space.env, "retention", "unset", "ig:EURUSD*", "1m", status=1)


def test_a_pattern_is_shown_as_it_was_set_whatever_stands_in_it(space):
    candlewick(space.env, "retention", "set", "sim:[x].*(", "1m", "5d", "--note", "[why]")
    shown = candlewick(space.env, "retention", "show")
    assert "sim:[x].*(" in shown
    assert "[why]" in shown


def test_what_cannot_be_set_is_said_and_changes_nothing(space):
    before = candlewick(space.env, "retention", "show", "--format", "json")
    candlewick(space.env, "retention", "set", "x", "7m", "1d", status=2)
    candlewick(space.env, "retention", "set", "x", "1m", "soon", status=2)
    candlewick(space.env, "retention", "set", " ", "1m", "1d", status=2)
    assert candlewick(space.env, "retention", "show", "--format", "json") == before
