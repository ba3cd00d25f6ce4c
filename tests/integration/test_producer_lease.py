"""Two producers of one source: one is active, the other takes over, and what was lost between them is one hole."""

import json
import os
import re
import signal
import time
from itertools import groupby, pairwise

import pytest
import requests
from confluent_kafka.admin import NewTopic

from deploy.cli import topics
from producer.errors import FatalError
from producer.lease import Lease
from producer.tenure import SESSION_S
from schemas.topics import LEASES, TRADES
from tests.chaos.test_outages import Gate
from tests.integration.test_producer_finnhub import Venue, in_ledger, published
from tests.support.judge import gap_records, spans
from tests.support.published import corner, count, statuses
from tests.support.services import Service, allowed, wait_until

pytestmark = pytest.mark.integration
S = 1_000_000
TAKEN_OVER_S = 10


@pytest.fixture(scope="module")
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture(scope="module")
def venue():
    made = Venue("--seed", "11", "--ping-seconds", "1000")
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="module")
def processor(space, tmp_path_factory):
    service = Service("processor", space.env, tmp_path_factory.mktemp("processor")).start()
    yield service
    service.discard()


class Pair:
    """Two processes of one source; the log tells which of them is active."""

    def __init__(self, space, venue, registry, folder):
        feed = {
            "FINNHUB_URL": venue.ready["ws"],
            "FINNHUB_TOKEN": "simulator",
            "FINNHUB_SYMBOLS": ",".join(venue.ready["symbols"]),
        }
        self._env = {**space.env, **feed, "CANDLEWICK_BOOTSTRAP_DAYS": "0", "CANDLEWICK_REGISTRY": registry.url}
        self._folder = folder
        self._count = 0
        self.active = self.standby = None

    def complete(self):
        """Start what is missing, so that one is active and one stands by."""
        if self.active is None:
            self.active = self._start()
            wait_until(lambda: "feed.went_live" in self.active.tail(1000), 30, "a live feed", [self.active])
        if self.standby is None:
            self.standby = self._start()
            wait_until(lambda: "producer.stands_by" in self.standby.tail(1000), 30, "a standby", self.both)
        return self

    def swap(self):
        """The active one is gone, the other has its place."""
        self.active, self.standby = self.standby, None

    @property
    def both(self):
        return [service for service in (self.active, self.standby) if service]

    def _start(self):
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return Service("producer", self._env, folder, "finnhub").start()


@pytest.fixture(scope="module")
def registry(stack):
    """The way to the registry, which can be shut."""
    host, _, rest = stack.registry.removeprefix("http://").partition("/")
    gate = Gate(host)
    gate.url = f"http://127.0.0.1:{gate.port}/{rest}"
    yield gate
    gate.shut()


@pytest.fixture(scope="module")
def _pair(space, venue, registry, tmp_path_factory):
    made = Pair(space, venue, registry, tmp_path_factory.mktemp("pair"))
    yield made
    for service in made.both:
        service.discard()


@pytest.fixture
def pair(_pair):
    return _pair.complete()


def told(space):
    return [s for s in statuses(space, "finnhub", 0)[0] if s.writer == "producer"]


def live_after(space, epoch, services):
    """Wait until an epoch after `epoch` is live, and return its first live status."""

    def found():
        return next((s for s in told(space) if s.epoch > epoch and s.state == "live"), None)

    return wait_until(found, 20, "a higher epoch to be live", services)


def holes(space):
    """Return [from, to) between each epoch's last status and the next one's first good moment."""
    epochs = [list(run) for _, run in groupby(told(space), key=lambda s: s.epoch)]
    assert [e[0].epoch for e in epochs] == sorted({e[0].epoch for e in epochs}), "an older epoch spoke after a newer one"
    good = [next(s.good_from for s in e if s.good_from) for e in epochs]
    return [(before[-1].good_until, begin) for before, begin in zip(epochs, good[1:], strict=False)]


def assert_nothing_is_lost_outside_of_holes_or_stands_twice(space, venue, services):
    now_us = time.time_ns() // 1000

    def lost():
        missing = in_ledger(venue, sent=True) - published(space)
        return [event for _, event, _, _ in missing if event < now_us]

    def explained():
        between = holes(space)
        return all(any(begin <= event < end for begin, end in between) for event in lost())

    wait_until(explained, 20, "what was sent to be published, or lost in a hole", services)
    assert not published(space) - in_ledger(venue, sent=True)


def health(service):
    line = next(json.loads(x) for x in service.log.read_text().splitlines() if "metrics.opened" in x)
    return requests.get(f"http://127.0.0.1:{line['port']}/health", timeout=60).json()


def test_standby_is_silent_and_takes_over_within_ten_seconds_of_a_kill(space, venue, pair, processor):
    epoch = told(space)[-1].epoch
    before = count(space, TRADES)
    wait_until(lambda: count(space, TRADES) > before + 20, 20, "some trades", pair.both)
    assert {s.epoch for s in told(space)} == {epoch}
    assert (health(pair.active)["active"], health(pair.standby)["state"]) == (True, "standby")
    assert venue.summary()["connections"] == 1

    pair.active.kill()
    killed = time.monotonic()
    pair.swap()
    successor = live_after(space, epoch, pair.both)
    assert time.monotonic() - killed < allowed(TAKEN_OVER_S)
    assert health(pair.active)["active"]
    (hole,) = holes(space)
    assert hole[1] == successor.good_from
    assert 0 < hole[1] - hole[0] < allowed(TAKEN_OVER_S) * S
    assert_nothing_is_lost_outside_of_holes_or_stands_twice(space, venue, pair.both)


def test_hole_of_the_takeover_is_one_gap_of_each_series_with_the_holes_borders(space, venue, pair, processor):
    assert holes(space)
    wait_until(lambda: of_producers(space, venue, holes(space)), 30, "one gap of each series", [processor, *pair.both])
    assert processor.stop() == 0
    assert {span.cause for span in spans(gap_records(space))} <= {"producer_down", "no_trades", "partial_start"}


def of_producers(space, venue, between):
    """Tell whether every series has exactly one closed producer_down gap for each hole, with its borders."""
    found = {f"finnhub:{symbol}": [] for symbol in venue.ready["symbols"]}
    for span in sorted(spans(gap_records(space)), key=lambda s: s.start):
        if span.cause == "producer_down":
            found[span.series].append((span.start, span.end))
    return all(
        len(gaps) == len(between)
        and all(
            end and abs(start - a) < allowed(1) * S and abs(end - b) < allowed(1) * S
            for (start, end), (a, b) in zip(gaps, between, strict=True)
        )
        for gaps in found.values()
    )


def test_producer_that_leaves_hands_over_at_once(space, venue, pair):
    epoch = told(space)[-1].epoch
    assert pair.active.stop() == 0
    left = time.monotonic()
    pair.swap()
    successor = live_after(space, epoch, pair.both)
    assert time.monotonic() - left < allowed(3)
    stopped = next(s for s in reversed(told(space)) if s.epoch == epoch)
    assert stopped.state == "stopping"
    assert successor.good_from - stopped.good_until < allowed(3) * S
    assert_nothing_is_lost_outside_of_holes_or_stands_twice(space, venue, pair.both)


def test_frozen_producer_that_wakes_up_writes_nothing_more_and_ends(space, venue, pair):
    epoch = told(space)[-1].epoch
    frozen = pair.active
    os.kill(frozen.pid, signal.SIGSTOP)
    pair.swap()
    successor = live_after(space, epoch, pair.both)
    wait_until(lambda: told(space)[-1].sent_at > successor.sent_at + S, 10, "the successor's next status", pair.both)
    os.kill(frozen.pid, signal.SIGCONT)
    wait_until(lambda: not frozen.running, 20, "the frozen one to end")
    assert frozen.stop() == 1
    assert "another producer has taken over" in frozen.tail(1)
    assert [a.epoch <= b.epoch for a, b in pairwise(told(space))].count(False) == 0
    assert_nothing_is_lost_outside_of_holes_or_stands_twice(space, venue, pair.both)


def test_lease_that_was_lost_to_nobody_is_taken_up_again_without_new_epoch_lost_trade_or_registry(space, venue, pair, registry):
    epoch, known = told(space)[-1].epoch, len(holes(space))
    standby, pair.standby = pair.standby, None
    assert standby.stop() == 0
    registry.shut()
    os.kill(pair.active.pid, signal.SIGSTOP)
    still = time.monotonic() + SESSION_S + 1.0
    wait_until(lambda: time.monotonic() > still, SESSION_S + 5, "the session to be over")
    os.kill(pair.active.pid, signal.SIGCONT)
    wait_until(lambda: "producer.goes_on" in pair.active.tail(1000), 20, "the lease to come back", [pair.active])
    woke_us = time.time_ns() // 1000
    wait_until(lambda: told(space)[-1].sent_at > woke_us, 10, "a status", [pair.active])
    assert told(space)[-1].epoch == epoch
    assert len(holes(space)) == known
    assert_nothing_is_lost_outside_of_holes_or_stands_twice(space, venue, pair.both)
    registry.open()
    assert pair.active.stop() == 0
    pair.active = None


@pytest.mark.parametrize(
    ("partitions", "said"),
    [(0, "nobody.leases.v1 does not exist"), (2, ".leases.v1 has 2 partitions: with more than one, several were active")],
)
def test_lease_topic_that_cannot_serve_is_one_clear_line(stack, space, tmp_path, partitions, said):
    prefix = f"{space.prefix}-wide" if partitions else "nobody"
    topic = NewTopic(LEASES.name(prefix), num_partitions=2, replication_factor=1, config={})
    if partitions:
        topics.apply(stack.kafka, [topic])
    with pytest.raises(FatalError, match=re.escape(said)):
        Lease(space.kafka, prefix, "finnhub", {}).start()
    topics.delete(stack.kafka, [topic.topic])
