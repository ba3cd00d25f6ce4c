"""SHELL (Kafka, Cassandra, HTTP). Waits until the demo's last trade is written, and draws up the account."""

from __future__ import annotations

import re
import time

import requests

from deploy.cli import arrivals, demo_corner
from deploy.cli.account import Account, Generated, counted, distinct, in_gaps, missing
from deploy.cli.caught_up import NotCaughtUpError, wait_until_caught_up
from deploy.cli.demo_story import Story
from deploy.cli.latency import latencies_us, percentile
from deploy.cli.readings import Sampler
from deploy.cli.targets import Targets
from deploy.cli.venue import SOURCE, Venue
from deploy.local import ports
from schemas.timeframes import MINUTE
from schemas.topics import DEAD_LETTERS, FEED_STATUS, LATE_TRADES, TRADES

SETTLED_S = 60.0
"""How long the last trades may take to arrive before the account is drawn up as it is (our choice)."""


def settle(run: Story, sampler: Sampler, servers: Targets, metrics_port: int) -> Account:
    """Return the account once it balances, or as it is after `SETTLED_S`.

    Args:
        run: what was told.
        sampler: what was seen of the busiest series.
        servers: Kafka, registry, Cassandra.
        metrics_port: where the producer tells what it counted.
    """
    ledger = counted(run.venue.ledger())
    deadline = time.monotonic() + SETTLED_S
    ends = arrivals.ends(servers.kafka, (TRADES, FEED_STATUS), demo_corner.PREFIX)
    try:
        wait_until_caught_up(
            servers,
            {place: end for place, end in ends.items() if end},  # the processor commits nothing where nothing came
            prefix=demo_corner.PREFIX,
            keyspace=demo_corner.KEYSPACE,
            timeframes=demo_corner.TIMEFRAMES,
            timeout_s=SETTLED_S,
        )
    except NotCaughtUpError as error:
        run.say(f"[red]{error}[/red]")
    # The last live candles follow within their period, so the account may need a second look.
    while (
        not (account := _account(run, sampler, servers, ledger, _repeats_dropped(metrics_port))).balances
        and time.monotonic() < deadline
    ):
        time.sleep(0.5)
    return account


def _account(run: Story, sampler: Sampler, servers: Targets, ledger: list[Generated], repeats: int) -> Account:
    kafka, prefix = servers.kafka, demo_corner.PREFIX
    outages = run.readings.outages(SOURCE)
    lost = missing(ledger, arrivals.trades(kafka, servers.registry, prefix, SOURCE))
    explained = in_gaps(lost, outages, SOURCE)
    sightings = sampler.sightings()
    # While the services start, a trade waits for them: that time is first_candle_s, no latency.
    since_us = sightings[0].seen_us if sightings else 0
    sent = [(e.trade.event_us, e.sent_us) for e in ledger if e.trade.symbol == Venue.BUSY and (e.sent_us or 0) > since_us]
    latencies = latencies_us([(event, at) for event, at in sent if at], sightings, MINUTE)
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    return Account(
        trades_sent=len(ledger),
        trades_in_candles=run.readings.trades_in_candles(SOURCE),
        late=arrivals.count(kafka, LATE_TRADES, prefix),
        dead_letters=arrivals.count(kafka, DEAD_LETTERS, prefix),
        # The producer's counter holds price updates too, so it can only explain trades that are missing.
        repeats_dropped=min(repeats, len(lost) - explained),
        lost_in_gaps=explained,
        gaps_injected=run.injected,
        gaps_recorded=distinct(outages),
        candles_in_cassandra=run.readings.candles(SOURCE),
        first_candle_s=run.first_candle_s,
        latency_p50_ms=None if p50 is None else round(p50 / 1000, 1),
        latency_p99_ms=None if p99 is None else round(p99 / 1000, 1),
    )


def _repeats_dropped(port: int) -> int:
    text = requests.get(f"http://{ports.LOOPBACK}:{port}/metrics", timeout=5).text
    found = re.search(r"^candlewick_producer_repeats_dropped_total\{.*\} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0
