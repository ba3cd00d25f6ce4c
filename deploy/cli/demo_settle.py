"""SHELL (Kafka, Cassandra, HTTP). Waits until the demo's last record is written, and draws up the account."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

import requests

from deploy.cli import arrivals, demo_corner
from deploy.cli.account import Account, Balance, Generated, counted, distinct, filled, in_gaps, missing, total
from deploy.cli.caught_up import NotCaughtUpError, wait_until_caught_up
from deploy.cli.demo_story import Story
from deploy.cli.latency import latencies_us, percentile
from deploy.cli.readings import Sampler
from deploy.cli.targets import Targets
from deploy.cli.venue import Venue
from deploy.local import ports
from schemas.timeframes import MINUTE
from schemas.topics import DEAD_LETTERS, FEED_STATUS, HISTORY, LATE_TRADES, QUOTES, TRADES

SETTLED_S = 60.0
"""How long the last records may take to arrive before the account is drawn up as it is (our choice)."""


def settle(run: Story, sampler: Sampler, servers: Targets, metrics: Mapping[str, int]) -> Account:
    """Return the account once it balances, or as it is after `SETTLED_S`.

    Args:
        run: what was told.
        sampler: what was seen of the busiest series.
        servers: Kafka, registry, Cassandra.
        metrics: source -> the port on which its producer tells what it counted.
    """
    ledgers = {venue.feed.source: venue.ledger() for venue in run.venues}
    deadline = time.monotonic() + SETTLED_S
    ends = arrivals.ends(servers.kafka, (TRADES, QUOTES, HISTORY, FEED_STATUS), demo_corner.PREFIX)
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
    # The last live candles follow within their period, and a gap may just be filled: the account may need a second look.
    while not (account := _account(run, sampler, servers, ledgers, metrics)).balances and time.monotonic() < deadline:
        time.sleep(0.5)
    return account


def _account(
    run: Story, sampler: Sampler, servers: Targets, ledgers: Mapping[str, list[Generated]], metrics: Mapping[str, int]
) -> Account:
    sources = {v.feed.source: _balance(run, v, servers, ledgers[v.feed.source], metrics[v.feed.source]) for v in run.venues}
    watched = run.venues[0].feed
    sightings = sampler.sightings()
    # While the services start, a record waits for them: that time is first_candle_s, no latency.
    since_us = sightings[0].seen_us if sightings else 0
    busy = (entry for entry in ledgers[watched.source] if entry.record.symbol == watched.busy)
    sent = [(entry.record.event_us, entry.sent_us) for entry in busy if entry.sent_us and entry.sent_us > since_us]
    latencies = latencies_us(sent, sightings, MINUTE)
    p50, p99 = percentile(latencies, 0.5), percentile(latencies, 0.99)
    return total(
        sources,
        candles=sum(run.readings.candles(source) for source in sources),
        first_candle_s=run.first_candle_s,
        latency_p50_ms=None if p50 is None else round(p50 / 1000, 1),
        latency_p99_ms=None if p99 is None else round(p99 / 1000, 1),
    )


def _balance(run: Story, venue: Venue, servers: Targets, ledger: list[Generated], port: int) -> Balance:
    feed, prefix = venue.feed, demo_corner.PREFIX
    source = feed.source
    outages = run.readings.outages(source)
    arrive, candles = {
        "trades": (arrivals.trades, run.readings.trades_in_candles),
        "quotes": (arrivals.quotes, run.readings.quotes_in_candles),
    }[feed.kind]
    arrived = arrive(servers.kafka, servers.registry, prefix, source)
    sent = counted(ledger, arrived)
    lost = missing(sent, arrived)
    explained = in_gaps(lost, outages, source, feed.price)
    return Balance(
        kind=feed.kind,
        sent=len(sent),
        in_candles=candles(source),
        late=arrivals.count(servers.kafka, LATE_TRADES, prefix, source),
        dead_letters=arrivals.count(servers.kafka, DEAD_LETTERS, prefix, source),
        # The producer's counter holds price updates too, so it can only explain records that are missing.
        repeats_dropped=min(_repeats_dropped(port), len(lost) - explained),
        lost_in_gaps=explained,
        gaps_injected=run.injected,
        gaps_recorded=distinct(outages),
        gaps_filled=filled(outages),
    )


def _repeats_dropped(port: int) -> int:
    text = requests.get(f"http://{ports.LOOPBACK}:{port}/metrics", timeout=5).text
    found = re.search(r"^candlewick_producer_repeats_dropped_total\{.*\} (\S+)$", text, re.MULTILINE)
    return int(float(found[1])) if found else 0
