"""The IG producer with the official Lightstreamer client, against the simulated venue and real Kafka.

Each quote the venue sent is published, was a repeat of a subscription's beginning, or lies in an interval that a status tells.
"""

import json
import subprocess
import sys
from collections import Counter

import pytest
import requests

from schemas.topics import FEED_STATUS, QUOTES
from tests.support.published import corner, count, dead_letters, messages, quotes, statuses, trades
from tests.support.services import Service, wait_until

pytestmark = pytest.mark.integration
S = 1_000_000
MARKER = "marker-4711"


class Venue:
    """A simulated IG and its control."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "deploy.simulator.ig", "--keepalive-ms", "500", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def fault(self, kind, **options):
        answer = requests.post(f"{self.ready['ctl']}/fault", json={"kind": kind, **options}, timeout=10)
        assert answer.ok, answer.text

    def summary(self):
        return requests.get(f"{self.ready['ctl']}/summary", timeout=10).json()

    def requests(self, what):
        found = requests.get(f"{self.ready['ctl']}/requests", timeout=10).json()["requests"]
        return [r for r in found if r["what"] == what]

    def ledger(self, kind="price"):
        entries = requests.get(f"{self.ready['ctl']}/ledger", timeout=10).json()["entries"]
        return [e for e in entries if e["kind"] == kind]

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=10)


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def make_venue():
    made = []

    def start(*arguments):
        made.append(Venue("--seed", "7", *arguments))
        return made[-1]

    yield start
    assert [venue.stop() for venue in made] == [0] * len(made)


@pytest.fixture
def make_producer(space, tmp_path):
    """A function (venue, settings) -> a running producer, discarded at the end."""
    made = []

    def start(venue, **settings):
        feed = {
            "IG_URL": venue.ready["rest"],
            "IG_IDENTIFIER": "simulator",
            "IG_PASSWORD": "simulator",
            "IG_API_KEY": "simulator",
            "IG_EPICS": ",".join(venue.ready["symbols"]),
            "IG_KEEPALIVE_MS": "500",
        }
        service = Service("producer", {**space.env, **feed, **settings}, tmp_path, "ig")
        made.append(service.start())
        return service

    yield start
    for service in made:
        service.discard()


def said(space, partition=0):
    return statuses(space, "ig", partition).get(partition, [])


def runs(series):
    found = []
    for status in series:
        if not found or found[-1][0] != status.state:
            found.append((status.state, []))
        found[-1][1].append(status)
    return found


def wait_for_state(space, state, service, times=1, limit_s=30):
    def reached():
        series = said(space)
        return series if [s for s, _ in runs(series)].count(state) >= times else None

    return wait_until(reached, limit_s, f"{times} times {state}", [service])


def outages(series):
    """Return the [from, to) of each outage that the statuses of a partition tell."""
    found, begun = [], None
    for status in series:
        if status.state in ("live", "market_closed") and begun is not None:
            found.append((begun, status.good_from))
            begun = None
        elif status.state not in ("live", "market_closed", "connecting"):
            begun = status.good_until if begun is None else begun
            assert status.good_until == begun, "an outage's beginning moved"
    return found


def in_ledger(venue, *, sent, scale=lambda epic: 1):
    return Counter(
        (e["epic"], e["t"] * 1000, e["bid"] / scale(e["epic"]), e["ask"] / scale(e["epic"]), e["bid_size"] or 0.0, e["ask_size"] or 0.0)
        for e in venue.ledger()
        if bool(e["sent_us"]) == sent
    )


def published(space):
    return Counter((q.symbol, q.event_time, q.bid, q.ask, q.bid_size, q.ask_size) for q in quotes(space, "ig"))


def settle(space, venue, service):
    """Let the market rest and wait until everything the venue sent is published."""
    venue.fault("pause", seconds=600)
    wait_until(lambda: count(space, QUOTES) >= venue.summary()["prices_sent"], 20, "everything sent to be published", [service])
    assert service.stop() == 0


def session_lines(service, event):
    return [json.loads(line) for line in service.log.read_text().splitlines() if f'"{event}"' in line]


def test_quotes_and_trades_reach_kafka_and_a_cut_or_a_loop_loses_nothing_and_is_no_outage(space, make_venue, make_producer):
    venue = make_venue()
    service = make_producer(venue, IG_TRADES="UA.D.AAPL.CASH.IP")
    wait_for_state(space, "live", service)
    venue.fault("loop", times=4, seconds=0.3)
    wait_until(lambda: len(venue.requests("bind_session")) >= 4, 20, "the LOOPs", [service])
    venue.fault("cut", how="rst")
    wait_until(lambda: session_lines(service, "session.recovered"), 30, "the recovery", [service])
    settle(space, venue, service)

    assert published(space) == in_ledger(venue, sent=True)
    assert not in_ledger(venue, sent=False)
    assert {s.state for s in said(space)} == {"connecting", "live", "stopping"}
    assert any(r["recovery_from"] for r in venue.requests("bind_session")), "the session was not recovered"
    assert Counter((t.symbol, t.event_time, t.price, t.size, t.kind) for t in trades(space, "ig")) == Counter(
        (e["epic"], e["t"] * 1000, e["ltp"], e["ltv"], "trade") for e in venue.ledger("tick") if e["sent_us"]
    )
    numbers = {}
    for quote in quotes(space, "ig"):
        numbers.setdefault(quote.symbol, []).append(quote.sequence)
    assert all(found == list(range(len(found))) for found in numbers.values())
    assert not dead_letters(space, "ig")
    served = {entry.symbol: entry.kind for p in range(4) for s in said(space, p) for entry in s.symbols or ()}
    assert served == dict.fromkeys(venue.ready["symbols"], "quotes")
    assert venue.summary()["logins"] == venue.summary()["logouts"] == 1
