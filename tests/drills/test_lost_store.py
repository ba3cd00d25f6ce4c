"""The store killed in the middle of a batch, under load, and back a minute later: nothing is lost, and it is written to at once.

DRILL_OUTAGE_S: how long it stays away. DRILL_PACE: how many times as busy as usual the venue is (60 prints a second).
"""

import json
import os
import time
from datetime import datetime

import pytest
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable

from deploy.cli import arrivals
from schemas.topics import TRADES
from tests.support.feeding import feeding
from tests.support.services import wait_until
from tests.support.stack import space_in

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(900)]
PACE = float(os.environ.get("DRILL_PACE", "20"))
OUTAGE_S = float(os.environ.get("DRILL_OUTAGE_S", "60"))
BACKLOG, BEGUN = 15_000, 2_000
"""Trades that wait in Kafka when the sink starts, and records that it has written when the store dies: it is in a batch then."""
SOON_S = 3.0


@pytest.fixture
def power(stack):
    """The power switch of this session's own Cassandra."""
    if stack.power is None:
        pytest.skip("the servers are those of E2E_*: not ours to kill")
    return stack.power


@pytest.fixture
def space(stack):
    # One replica, so the default commit lag applies: it brings back what the node had only in memory.
    with space_in(stack, {"CANDLEWICK_TIMEFRAMES": "1s,1m,5m"}) as made:
        yield made


def test_law_8_store_killed_in_a_batch_under_load_loses_nothing_and_is_written_again_within_3_s_of_its_return(
    power, space, make_pipeline, say
):
    pipeline = make_pipeline(space, "finnhub", PACE)
    fed = time.monotonic()
    others = [pipeline.start(name, 1) for name in ("processor", "producer")]
    wait_until(lambda: sum(sent(space).values()) > BACKLOG, 120, f"{BACKLOG} trades in Kafka", others)
    with feeding(space) as feed:
        running = [*others, pipeline.start("sink", 1)]
        wait_until(lambda: sum(written(feed).values()) > BEGUN, 60, "the sink in the middle of the backlog", running)
        power.kill("cassandra")
        killed, at_kill = time.time(), sent(space)
        pipeline.await_said("sink", 1, "writing.paused")
        wait_until(lambda: time.time() - killed > OUTAGE_S, OUTAGE_S + 5, "the store's outage to pass", running)
        power.up("cassandra")
        back, at_return = time.time(), sent(space)
        wait_until(lambda: written(feed), 60, "an answer to a session from before the outage", running)
        answered_s = time.time() - back
        pipeline.await_said("sink", 1, "writing.resumed")
        pipeline.await_said("sink", 1, "offsets.rewound")
        resumed_s = moment(running[-1], "writing.resumed") - back
        wait_until(lambda: reached(written(feed), at_return), 120, "what waited in Kafka to be written", running)
        caught_up_s = time.time() - back
    lasted_s = time.monotonic() - fed
    meanwhile = sum(at_return.values()) - sum(at_kill.values())
    say(
        f"away for {back - killed:.0f} s, in which {meanwhile} trades came; from its first answer on: written again after "
        f"{resumed_s:.2f} s, read again after {answered_s:.2f} s, all that had waited written after {caught_up_s:.1f} s"
    )
    account = pipeline.settle()
    with feeding(space) as feed:
        rows, records = len(feed.rows("trades", "sequence")), sum(sent(space).values())
    say(f"{account}; {account['sent'] / lasted_s:.0f} trades/s; {rows} rows of {records} trades and price updates")
    say(pipeline.audit())
    assert resumed_s < SOON_S
    assert answered_s < SOON_S, "who reads, the console say, is as quick"
    assert account["missing"] == 0
    assert rows == records
    assert all(service.running for service in running), "no service had to be started again"


def sent(space):
    """Return how many trades are in Kafka, by partition."""
    return arrivals.ends(space.kafka, (TRADES,), space.prefix)


def written(feed):
    """Return how many of them the sink says that it has written; nothing where the store does not answer."""
    try:
        found = feed.positions()
    except (NoHostAvailable, DriverException):
        return {}
    return {place: offset for place, offset in found.items() if place[0] == TRADES.name(feed.space.prefix)}


def reached(positions, ends):
    return all(positions.get(place, 0) >= end for place, end in ends.items())


def moment(service, event):
    """Return when a service first logged an event, seconds since 1970."""
    lines = (line for line in service.log.read_text(errors="replace").splitlines() if f'"event": "{event}"' in line)
    return datetime.fromisoformat(json.loads(next(lines))["timestamp"]).timestamp()
