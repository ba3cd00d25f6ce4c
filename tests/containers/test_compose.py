"""The compose file: healthy in time, candles in Cassandra, and an account that balances although containers are killed."""

import os
import random
import time
from collections import Counter

import pytest
import requests
from confluent_kafka import KafkaException

from deploy.cassandra.connect import connected
from deploy.cli import arrivals
from deploy.cli.account import OUTAGES, Outage, counted, in_gaps, missing
from deploy.cli.caught_up import wait_until_caught_up
from deploy.cli.demo_feeds import FEEDS
from deploy.cli.venue import Venue
from schemas.timeframes import parse_list
from schemas.topics import DEAD_LETTERS, FEED_STATUS, LATE_TRADES, TRADES
from tests.containers.conftest import UP_S
from tests.support.services import wait_until

SOURCE = "finnhub"
SERIES = [f"{SOURCE}:{symbol}" for symbol in ("AAPL", "MSFT", "BINANCE:BTCUSDT")]
LOSSES = {*OUTAGES, "producer_down", "overflow"}
PROMETHEUS = "prom/prometheus:v3.5.0"
KILLING_S = float(os.environ.get("E2E_CONTAINERS_SECONDS", "60"))
EVERY_S = 10.0
VICTIMS = ("producer", "processor", "processor", "sink", "kafka", "cassandra", "registry")
"""Processors twice, for there are three of them. The venue stays: it keeps the other side of the account."""


def candles(compose):
    """Return the sum of trade_count over the 1m rows."""
    with connected(compose.targets.cassandra) as session:
        query = session.prepare("SELECT trade_count FROM md.candles_1m WHERE series = ?")
        return sum(row.trade_count for name in SERIES for row in session.execute(query, (name,)))


def losses(compose):
    """Return the recorded intervals in which trades may be missing."""
    with connected(compose.targets.cassandra) as session:
        query = session.prepare("SELECT series, cause, state, from_us, to_us FROM md.gaps WHERE series = ?")
        rows = [row for name in SERIES for row in session.execute(query, (name,))]
    return [Outage(r.series, r.cause, r.from_us, None if r.state == "open" else r.to_us) for r in rows if r.cause in LOSSES]


def test_everything_is_healthy_in_time_and_candles_are_in_cassandra(compose, say):
    compose.wait_healthy(1)
    say(f"healthy after {compose.up_s:.0f} s")
    assert compose.up_s < UP_S
    wait_until(lambda: candles(compose) > 0, 60, "a candle in Cassandra")


def test_ports_are_on_loopback(compose):
    published = [p for c in compose.containers().values() for p in c["Publishers"] or () if p["PublishedPort"]]
    assert published
    assert {p["URL"] for p in published} == {"127.0.0.1"}


def test_prometheus_sees_every_service_and_its_rules(compose):
    if not compose.docker("image", "ls", "--quiet", PROMETHEUS):
        pytest.skip(f"the image {PROMETHEUS} is not here: scraping was not tried")
    compose("--profile", "monitoring", "up", "--detach", "--wait", "--no-build", "--no-deps", "--no-recreate", "prometheus")
    api = f"http://127.0.0.1:{compose.ports['PROMETHEUS_PORT']}/api/v1"

    def up():
        found = requests.get(f"{api}/targets", timeout=60).json()["data"]["activeTargets"]
        states = Counter((t["labels"]["job"].removeprefix("candlewick-"), t["health"]) for t in found)
        return states == {("producer", "up"): 1, ("processor", "up"): 3, ("sink", "up"): 1}

    wait_until(up, 60, "all services scraped")
    rules = [r for g in requests.get(f"{api}/rules", timeout=60).json()["data"]["groups"] for r in g["rules"]]
    assert len(rules) > 20
    assert {r["health"] for r in rules} <= {"ok", "unknown"}


def test_law_8_containers_killed_at_random_lose_no_trade(compose, say):
    seed = int(os.environ.get("E2E_CONTAINERS_SEED", random.randrange(10**6)))
    say(f"seed {seed}")
    chance = random.Random(seed)
    venue = Venue(FEEDS[SOURCE], int(compose.ports["SIMULATOR_PORT"]))
    wait_until(lambda: candles(compose) > 0, 60, "a candle in Cassandra")
    end = time.monotonic() + KILLING_S
    killed = []
    while time.monotonic() < end:
        victim = chance.choice(sorted(compose.containers(chance.choice(VICTIMS))))
        compose.docker("kill", "--signal", "KILL", victim)
        compose.docker("start", victim)  # as the orchestrator would
        killed.append(victim.split("-", 3)[-1])
        time.sleep(EVERY_S)
    say(f"killed: {' '.join(killed)}")
    compose.wait_healthy(300)
    # Once more something has to come through everything, before the venue falls silent.
    before = candles(compose)
    wait_until(lambda: candles(compose) > before, 60, "candles after the last kill")
    venue.pause()
    written = wait_until(lambda: ends(compose), 30, "the ends of the topics")
    frames = parse_list("1m,5m,15m,1h,4h,1d")
    wait_until_caught_up(compose.targets, written, prefix="md", keyspace="md", timeframes=frames, timeout_s=120)
    arrived = arrivals.trades(compose.targets.kafka, compose.targets.registry, "md", SOURCE)
    ledger = counted((e for e in venue.ledger() if f"{SOURCE}:{e.record.symbol}" in SERIES), arrived)
    lost = missing(ledger, arrived)
    explained = in_gaps(lost, losses(compose), SOURCE)
    count = {t.dataset: arrivals.count(compose.targets.kafka, t, "md", SOURCE) for t in (LATE_TRADES, DEAD_LETTERS)}
    wait_until(
        lambda: len(ledger) == candles(compose) + explained + sum(count.values()),
        60,
        f"the account: {len(ledger)} sent = candles + {explained} lost in gaps + {count}",
    )
    assert len(lost) == explained
    say(f"sent {len(ledger)} = in candles {candles(compose)} + lost in gaps {explained} + {count}")
    say(compose("run", "--rm", "-T", "tools", "audit", *SERIES, limit_s=300))  # exit status 0: nothing differs


def ends(compose):
    try:
        found = arrivals.ends(compose.targets.kafka, (TRADES, FEED_STATUS), "md")
    except (KafkaException, ConnectionError):
        return None
    return {place: end for place, end in found.items() if end}
