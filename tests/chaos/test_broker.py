"""Kafka itself stands still, for longer than it lets a member be silent: nothing is lost, doubled or invented, nobody ends."""

import os
import time

import pytest

from tests.support.judge import buried, candles, clipped, committed, ends, gap_records, latest, spans
from tests.support.market import Market
from tests.support.services import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif("CHAOS_ROUNDS" not in os.environ, reason="part of the longer run: set CHAOS_ROUNDS"),
]
S = 1_000_000
STILL_S = 18
RATE = float(os.environ.get("CHAOS_RATE", "1000"))


@pytest.fixture
def power(stack):
    """The power switch of this session's own broker, which goes on whatever happens to the test."""
    if stack.power is None:
        pytest.skip("the servers are those of E2E_*: not ours to freeze")
    yield stack.power
    stack.power.thaw("kafka")


def test_law_8_a_broker_that_stands_still_costs_time_and_nothing_else(power, make_corner, make_worker):
    space = make_corner()
    worker = make_worker("worker", space).start()
    market = Market(space, RATE).start()
    try:
        worker.wait_assigned(4, 0)
        wait_until(lambda: candles(space, "1s"), 30, "the first candle", [worker.service])
        power.freeze("kafka")
        moving = time.monotonic() + STILL_S
        wait_until(lambda: time.monotonic() > moving, STILL_S + 5, "the broker to have stood still", [worker.service])
        power.thaw("kafka")
        stopped = market.pause()
        wait_until(lambda: time.time_ns() // 1000 > stopped + 5 * S, 20, "statuses after the last trade")
        upto = ends(space)
        wait_until(lambda: committed(space, upto), 60, "everything to be committed", [worker.service])
    finally:
        power.thaw("kafka")
        market.stop()
    assert worker.service.stop() == 0
    published = candles(space, "1s")
    assert buried(published) == []
    assert sum(c.trade_count for c in latest(published).values()) == len(market.sent)
    assert {s.cause for s in clipped(spans(gap_records(space)), stopped)} <= {"no_trades", "partial_start"}
