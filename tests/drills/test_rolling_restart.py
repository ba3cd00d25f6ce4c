"""Every service is restarted under load, one process after the other, as an upgrade does: no trade is missing afterwards.

The feed has trade ids, so what went by while one producer handed over to the other is fetched. DRILL_PACE: how many times as
busy as usual the venue is (30 trades a second).
"""

import os
import time

import pytest

from tests.support.freshness import Freshness, steps
from tests.support.services import wait_until
from tests.support.stack import space_in

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(400)]
PACE = float(os.environ.get("DRILL_PACE", "10"))
STEP_S = 2.0


@pytest.fixture
def space(stack):
    with space_in(stack, {"CANDLEWICK_TIMEFRAMES": "1s,1m,5m"}) as made:
        yield made


def test_law_8_every_service_restarted_under_load_leaves_every_trade_in_its_candle(space, make_pipeline, say):
    pipeline = make_pipeline(space, "coinbase", PACE)
    for name, number in (("processor", 1), ("processor", 2), ("sink", 1), ("sink", 2), ("producer", 1)):
        pipeline.start(name, number)
    pipeline.await_said("producer", 1, "feed.went_live")
    pipeline.start("producer", 2)
    pipeline.await_said("producer", 2, "producer.stands_by")
    running = list(pipeline.services.values())
    wait_until(lambda: pipeline.candles() > 0, 90, "candles in Cassandra", running)
    freshness = Freshness(space, "1s").start()
    began = time.time_ns() // 1000
    took = {}
    try:
        # Readers before writers, as the runbook has it.
        for name, number in (("sink", 1), ("sink", 2), ("processor", 1), ("processor", 2)):
            at = time.monotonic()
            pipeline.restart(name, number, "partitions.assigned")
            took[f"{name} {number}"] = round(time.monotonic() - at, 1)
        for active, standby in ((1, 2), (2, 1)):
            at = time.monotonic()
            before = pipeline.said("producer", standby, "feed.went_live")
            pipeline.restart("producer", active, "producer.stands_by")
            pipeline.await_said("producer", standby, "feed.went_live", before)
            took[f"producer {active}"] = round(time.monotonic() - at, 1)
        wait_until(lambda: filled(pipeline.outages()), 90, "what went by at the handovers to be fetched", running)
    finally:
        freshness.stop()
    account = pipeline.settle()
    outages = {(gap.cause, round((gap.to_us - gap.from_us) / 1e6, 1)) for gap in pipeline.outages()}
    say(f"seconds each restart took: {took}; handovers: {sorted(outages)}; {account}")
    for kind in ("live", "final"):
        found = steps(freshness.sights, kind, began, STEP_S)
        say(f"{kind}: p99 in steps of {STEP_S:g} s: {' '.join(f'{s.p99_ms:.0f}' for s in found)} ms")
    say(pipeline.audit())
    assert account["missing"] == 0


def filled(outages):
    return bool(outages) and all(gap.state == "filled" for gap in outages)
