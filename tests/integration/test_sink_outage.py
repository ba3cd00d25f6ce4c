"""Law 8 (resume) when Cassandra is what dies: the node is killed, or stands still, in a burst, and nothing is lost."""

import json
import time
from datetime import datetime

import pytest

from schemas.timeframes import MINUTE
from tests.support.feeding import a_candle, a_trade, feeding
from tests.support.services import Service, allowed, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NOW = time.time_ns() // 1000 // MINUTE * MINUTE
TRADES, SYMBOLS = 40_000, 5


@pytest.fixture(scope="module")
def power(stack):
    """The power switch of this session's own Cassandra."""
    if stack.power is None:
        pytest.skip("the servers are those of E2E_*: not ours to kill")
    return stack.power


@pytest.fixture
def space(make_space):
    # One replica, so the default commit lag of 15 s applies: that is what brings back what the node had only in memory.
    return make_space({"CANDLEWICK_TIMEFRAMES": "1m", "CANDLEWICK_PARTITIONS": "2"})


def trades_and_candles():
    return (
        [a_trade(n, NOW - n * 500, symbol=f"S{n % SYMBOLS}") for n in range(TRADES)],
        [a_candle(NOW - n * MINUTE, 9, series=f"sim:S{n % SYMBOLS}") for n in range(400)],
    )


def waited_s(sink):
    """Seconds since the sink said that it pauses."""
    said = [json.loads(line) for line in sink.tail(1000).splitlines() if "writing.paused" in line]
    return time.time() - datetime.fromisoformat(said[-1]["timestamp"]).timestamp()


def check(feed, trades, candles):
    assert len(feed.rows("trades", "event_us")) == len(trades)
    assert len(feed.rows("candles_1m", "start")) == len(candles)


def test_law_8_resume_cassandra_killed_in_the_middle_loses_nothing(power, space, tmp_path):
    trades, candles = trades_and_candles()
    with feeding(space) as feed:
        sink = Service("sink", space.env, tmp_path).start()
        try:
            feed.send([*trades[: TRADES // 2], *candles[:200]])
            wait_until(lambda: sum(feed.positions().values()) > 4000, 60, "the middle", [sink])
            power.kill("cassandra")
            feed.send([*trades[TRADES // 2 :], *candles[200:]])
            wait_until(lambda: "writing.paused" in sink.tail(1000), 30, "a pause", [sink])
            # Long enough for the waits between tries to have grown to their longest, 5 s.
            wait_until(lambda: waited_s(sink) > 12, 60, "long waits", [sink])
            power.up("cassandra")
            back = time.monotonic()
            wait_until(lambda: "writing.resumed" in sink.tail(1000), 30, "writing again", [sink])
            assert time.monotonic() - back < allowed(3), (
                "the driver knocks twice a second, and who comes back is written to at once"
            )
            wait_until(lambda: "offsets.rewound" in sink.tail(1000), 30, "a rewind", [sink])
        except BaseException:
            sink.discard()
            raise
    with feeding(space) as after:
        after.ends = feed.ends
        try:
            after.wait([sink], 120)
            check(after, trades, candles)
            assert sink.stop() == 0
        finally:
            sink.discard()


def test_a_cassandra_that_stands_still_is_waited_for(power, space, tmp_path):
    trades, candles = trades_and_candles()
    with feeding(space) as feed:
        sink = Service("sink", space.env, tmp_path).start()
        try:
            feed.send([*trades[: TRADES // 2], *candles[:200]])
            wait_until(lambda: sum(feed.positions().values()) > 2000, 60, "the middle", [sink])
            power.freeze("cassandra")
            feed.send([*trades[TRADES // 2 :], *candles[200:]])
            wait_until(lambda: "writing.paused" in sink.tail(1000), 60, "a pause", [sink])
        finally:
            power.thaw("cassandra")
        try:
            feed.wait([sink], 120)
            check(feed, trades, candles)
            assert sink.stop() == 0
        finally:
            sink.discard()


def test_a_sink_without_cassandra_waits_and_can_be_stopped(space, tmp_path):
    sink = Service("sink", space.env | {"CANDLEWICK_CASSANDRA": "127.0.0.1:1"}, tmp_path).start()
    try:
        wait_until(lambda: "start.waiting" in sink.tail(), 30, "waiting", [sink])
        assert sink.stop() == 0
    finally:
        sink.discard()
