"""Scenarios of a feed that no other test shows through to Kafka; producer/SCENARIOS.md lists them all."""

import json
import time
from collections import Counter

import pytest
import websocket

from schemas.topics import TRADES
from tests.support.published import corner, ends, statuses, trades
from tests.support.services import allowed, wait_until
from tests.support.vendor import KEY, counted, producers, vendor

pytestmark = pytest.mark.integration
S = 1_000_000
INTRUSIONS = 4


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def venue():
    with vendor() as made:
        yield made


@pytest.fixture
def producer(space, venue, tmp_path):
    with producers(space, venue, tmp_path) as start:
        service = start(FINNHUB_SYMBOLS=",".join(venue.ready["symbols"]), CANDLEWICK_BOOTSTRAP_DAYS="0")
        wait_until(lambda: counted(service, "feed_live") == 1, 30, "the feed", [service])
        yield service


def logged(service, event):
    return [json.loads(line) for line in service.log.read_text().splitlines() if f'"{event}"' in line]


def published(space):
    return Counter((t.symbol, t.event_time, t.price, t.size) for t in trades(space, "finnhub"))


def sent(venue, upto_us=2**62):
    entries = [e for e in venue.ledger() if e["times"] and e["sent_us"] < upto_us]
    return Counter((e["symbol"], e["t"] * 1000, e["p"], e["v"]) for e in entries)


def test_second_user_of_a_key_ends_every_connection_at_once_and_the_attempts_stay_spread(space, venue, producer):
    for number in range(1, INTRUSIONS + 1):
        wait_until(lambda n=number: len(logged(producer, "feed.went_live")) == n, 30, "the feed", [producer])
        other = websocket.create_connection(f"{venue.ready['ws']}?token={KEY}", timeout=60)
        wait_until(lambda n=number: len(logged(producer, "connection.lost")) == n, 20, "the cut", [producer])
        other.shutdown()
    wait_until(lambda: len(logged(producer, "feed.went_live")) == INTRUSIONS + 1, 30, "the feed", [producer])
    assert [line["attempt"] for line in logged(producer, "connection.opened")] == list(range(1, INTRUSIONS + 2))
    assert all(line["wait_s"] <= 0.2 * 2 ** (n + 1) for n, line in enumerate(logged(producer, "connection.lost")))
    summary = venue.summary()
    assert summary["double_connections"] == INTRUSIONS
    assert summary["connections"] == INTRUSIONS + (INTRUSIONS + 1), (
        "the two have fought: ours connected more often than it was cut"
    )
    assert producer.stop() == 0
    outages = {s.good_until for s in statuses(space, "finnhub", 0)[0] if s.state == "down"}
    assert len(outages) == INTRUSIONS, "each of them is an outage of its own, told as such"


def test_disorder_is_published_as_it_came_and_an_end_under_load_is_drained_in_time(space, venue, producer):
    venue.fault("shuffle", seconds=3, spread_ms=5000)
    began_us = time.time_ns() // 1000

    def has_disorder():
        return sum(e["made_us"] - e["t"] * 1000 > S for e in venue.ledger() if e["made_us"] > began_us) > 50

    wait_until(has_disorder, 20, "trades out of order", [producer])
    asked_us = time.time_ns() // 1000
    assert producer.stop(limit_s=15) == 0
    ended_us = time.time_ns() // 1000
    assert ended_us - asked_us < allowed(10) * S
    came = published(space)
    assert not sent(venue, asked_us - S // 2) - came, "what had come was not drained"
    assert not came - sent(venue)
    late = [t for t in trades(space, "finnhub") if t.receive_time - t.event_time > S]
    assert len(late) > 50
    last = {part: series[-1] for part, series in statuses(space, "finnhub").items()}
    assert {status.state for status in last.values()} == {"stopping"}
    written = ends(space, TRADES, "finnhub")
    assert {part: last[part].trades_offset for part in written} == written
    assert any(e["made_us"] > ended_us for e in venue.ledger()), "the market stood still, so this was no load"
