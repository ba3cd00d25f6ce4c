"""Kafka itself stands still, for longer than it lets a member be silent: nothing is lost, doubled or invented, nobody ends."""

import os
import signal
import time

import pytest

from deploy.cli import targets
from deploy.local.servers import DEFAULT_PORTS
from deploy.local.stack import Stack
from tests.support.judge import buried, candles, clipped, committed, ends, gap_records, latest, spans
from tests.support.market import Market
from tests.support.services import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.chaos,
    pytest.mark.timeout(180),
    pytest.mark.skipif("CHAOS_ROUNDS" not in os.environ, reason="part of the longer run: set CHAOS_ROUNDS"),
]
S = 1_000_000
STILL_S = 18
RATE = float(os.environ.get("CHAOS_RATE", "1000"))


@pytest.fixture
def broker(stack):
    """The process id of this session's own broker; it goes on whatever happens to the test."""
    home = targets.artifacts_folder().parent / "tests" / str(os.getpid())
    if not (home / "stack.json").exists():
        pytest.skip("the servers are those of E2E_*: not ours to freeze")
    pid = Stack(home, targets.artifacts_folder(), dict.fromkeys(DEFAULT_PORTS, 0)).running()["kafka"].pid
    yield pid
    os.kill(pid, signal.SIGCONT)


def test_law_8_a_broker_that_stands_still_costs_time_and_nothing_else(broker, make_corner, make_worker):
    space = make_corner()
    worker = make_worker("worker", space).start()
    market = Market(space, RATE).start()
    try:
        worker.wait_assigned(4, 0)
        wait_until(lambda: candles(space, "1s"), 30, "the first candle", [worker.service])
        os.kill(broker, signal.SIGSTOP)
        moving = time.monotonic() + STILL_S
        wait_until(lambda: time.monotonic() > moving, STILL_S + 5, "the broker to have stood still", [worker.service])
        os.kill(broker, signal.SIGCONT)
        stopped = market.pause()
        wait_until(lambda: time.time_ns() // 1000 > stopped + 5 * S, 20, "statuses after the last trade")
        upto = ends(space)
        wait_until(lambda: committed(space, upto), 60, "everything to be committed", [worker.service])
    finally:
        os.kill(broker, signal.SIGCONT)
        market.stop()
    assert worker.service.stop() == 0
    published = candles(space, "1s")
    assert buried(published) == []
    assert sum(c.trade_count for c in latest(published).values()) == len(market.sent)
    assert {s.cause for s in clipped(spans(gap_records(space)), stopped)} <= {"no_trades", "partial_start"}
