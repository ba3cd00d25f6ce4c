"""What a consumer is told when a producer dies or leaves, and that running services do not need the registry."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.support.judge import candles, gap_records, latest, spans
from tests.support.published import statuses, trades
from tests.support.services import Service, allowed, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(600)]
S = 1_000_000
AWAY = 8 * S
HARMLESS = {"no_trades", "partial_start"}


class Gate:
    """A port that leads to a server while it is open; shut, it refuses, and what was connected is cut."""

    def __init__(self, address):
        host, _, port = address.partition(":")
        self._target = host, int(port)
        self._ends = []
        self.port = 0
        self.open()

    def open(self):
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def shut(self):
        for end in [self._listening, *self._ends]:
            with contextlib.suppress(OSError):  # the peer was faster
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends = []

    def _accept(self, listening):
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._ends += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    @staticmethod
    def _carry(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.fixture
def venue():
    command = [sys.executable, "-m", "deploy.simulator", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()
        process.wait(60)


@pytest.fixture
def registry(stack):
    host, _, rest = stack.registry.removeprefix("http://").partition("/")
    gate = Gate(host)
    gate.url = f"http://127.0.0.1:{gate.port}/{rest}"
    yield gate
    gate.shut()


@pytest.fixture
def space(make_corner):
    return make_corner()


@pytest.fixture
def worker(space, registry, make_worker):
    return make_worker("worker", space, CANDLEWICK_REGISTRY=registry.url).start()


@pytest.fixture
def producer(space, registry, venue, tmp_path):
    feed = {"FINNHUB_URL": venue["ws"], "FINNHUB_TOKEN": "simulator", "FINNHUB_SYMBOLS": ",".join(venue["symbols"])}
    service = Service("producer", {**space.env, **feed, "CANDLEWICK_REGISTRY": registry.url}, tmp_path, "finnhub").start()
    yield service
    service.discard()


def test_a_producer_that_dies_or_leaves_is_one_gap_each_with_its_borders_and_nobody_needs_the_registry(
    space, registry, worker, producer, venue
):
    both = [worker.service, producer]
    wait_until(lambda: candles(space, "1s"), 60, "the first candle", both)
    everything = {f"finnhub:{symbol}" for symbol in venue["symbols"]}

    registry.shut()
    before = len(candles(space, "1s"))
    wait_until(lambda: len(candles(space, "1s")) > before + 20, 30, "candles without a registry", both)

    # It dies. Before it is back, its absence is known and what it sent is told.
    producer.kill()
    killed = now()
    wait_until(lambda: set(outages(space)) == everything, 20, "the outage to be shown for every series", [worker.service])
    assert now() - killed < allowed(12) * S
    for (gap,) in outages(space).values():
        assert gap.end is None, "it is open while the producer is away"
        assert -allowed(1.5) * S < gap.start - killed <= 0
    wait_until(lambda: seconds_traded(space) <= set(latest(candles(space, "1s"))), 20, "its last windows to close", both[:1])
    registry.open()
    wait_until(lambda: now() > killed + AWAY, 20, "eight seconds to pass")
    producer.start()
    ended(space, both, 1)

    # It leaves as it should.
    assert producer.stop() == 0
    left = now()
    wait_until(lambda: all(len(gaps) == 2 for gaps in outages(space).values()), 20, "the second outage", both[:1])
    for _, gap in outages(space).values():
        assert abs(gap.start - left) < allowed(1.5) * S
    producer.start()
    ended(space, both, 2)

    assert producer.stop() == 0
    wait_until(lambda: seconds_traded(space) <= set(latest(candles(space, "1s"))), 20, "the last windows to close", both[:1])
    assert worker.service.stop() == 0
    counted = sum(c.trade_count + c.update_count for c in latest(candles(space, "1s")).values())
    assert counted == len(trades(space, "finnhub"))
    assert {span.cause for span in spans(gap_records(space))} <= {"producer_down", *HARMLESS}


def now():
    return time.time_ns() // 1000


def outages(space):
    """The producer_down gaps of each series, in order."""
    found = {}
    for span in sorted(spans(gap_records(space)), key=lambda s: s.start):
        if span.cause == "producer_down":
            found.setdefault(span.series, []).append(span)
    return found


def ended(space, services, count):
    """Wait for the end of outage number `count` of every series, which is where the next producer's feed was good."""

    def is_over():
        return all(len(gaps) == count and gaps[-1].end for gaps in outages(space).values())

    wait_until(is_over, 60, f"the end of outage {count}", services)
    good = sorted({s.good_from for told in statuses(space, "finnhub").values() for s in told if s.good_from})
    for gaps in outages(space).values():
        assert min(abs(gaps[-1].end - moment) for moment in good[-1:]) < allowed(1) * S


def seconds_traded(space):
    return {(f"finnhub:{t.symbol}", t.event_time // S * S) for t in trades(space, "finnhub")}
