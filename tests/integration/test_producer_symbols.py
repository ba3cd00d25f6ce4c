"""Symbols that come and go while the feed runs: no outage for the others, an own beginning for the new."""

import json

import pytest

from tests.integration.test_producer_finnhub import Venue, in_ledger, published
from tests.support.judge import gap_records, spans
from tests.support.published import corner, statuses
from tests.support.services import Service, wait_until

pytestmark = pytest.mark.integration
S = 1_000_000
NEW = ("AAPL", "BINANCE:BTCUSDT")


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def venue():
    made = Venue("--seed", "5", "--ping-seconds", "1000")
    yield made
    assert made.stop() == 0


@pytest.fixture
def listed(tmp_path, venue):
    """A function (names) that writes the file of symbols, which at first holds all of the venue's but the two busiest."""
    file = tmp_path / "symbols.txt"
    file.write_text("\n".join(s for s in venue.ready["symbols"] if s not in NEW))

    def write(names):
        file.write_text("# ours\n" + "\n".join(names) + "\n")

    write.file = file
    return write


@pytest.fixture
def producer(space, venue, listed, tmp_path):
    feed = {"FINNHUB_URL": venue.ready["ws"], "FINNHUB_TOKEN": "simulator", "CANDLEWICK_SYMBOLS_FILE": str(listed.file)}
    service = Service("producer", {**space.env, **feed, "CANDLEWICK_BOOTSTRAP_DAYS": "0"}, tmp_path, "finnhub").start()
    yield service
    service.discard()


@pytest.fixture
def processor(space, tmp_path):
    service = Service("processor", space.env, tmp_path).start()
    yield service
    service.discard()


def named(space):
    """What the newest status of each partition that names symbols says: symbol -> good_from."""
    found = {}
    for series in statuses(space, "finnhub").values():
        told = [s.symbols for s in series if s.symbols is not None]
        found |= {served.symbol: served.good_from for served in told[-1]} if told else {}
    return found


def wait_named(space, names, service):
    def reached():
        found = named(space)
        return found if set(found) == set(names) and all(found.values()) else None

    return wait_until(reached, 20, f"exactly {names} to be named and good", [service])


def said(service, event):
    return [json.loads(line) for line in service.log.read_text().splitlines() if f'"{event}"' in line]


def test_symbols_change_while_the_feed_runs(space, venue, producer, processor, listed):
    old = [s for s in venue.ready["symbols"] if s not in NEW]
    before = wait_named(space, old, producer)
    (begun,) = set(before.values())

    # Two are added, one leaves; the others notice nothing.
    gone, wanted = old[0], [*old[1:], *NEW]
    listed(wanted)
    after = wait_named(space, wanted, producer)
    assert {after[s] for s in old[1:]} == {begun}
    assert after[NEW[0]] == after[NEW[1]] > begun
    assert venue.summary()["connections"] == 1
    wait_until(lambda: {s for s, *_ in published(space)} >= set(NEW), 20, "trades of the new", [producer])

    # Its series ends with a gap that says so.
    def ended():
        return [span for span in spans(gap_records(space)) if span.cause == "unsubscribed"]

    (end,) = wait_until(ended, 30, "the end of a series", [producer, processor])
    assert (end.series, end.end) == (f"finnhub:{gone}", None)
    assert begun < end.start < after[NEW[0]] + S

    # What cannot be served changes nothing.
    listed([f"S{n}" for n in range(51)])
    (refused,) = wait_until(lambda: said(producer, "symbols.refused"), 10, "the refusal", [producer])
    assert (refused["reason"], refused["kept"]) == (
        "the file names 51 symbols; the plan delivers 50, others stay silent",
        len(wanted),
    )
    listed([])
    wait_until(lambda: len(said(producer, "symbols.refused")) == 2, 10, "the second refusal", [producer])
    assert named(space) == after

    # A new connection knows the list of now, and all of it is good from one moment on.
    venue.fault("drop", seconds=0.5)
    again = wait_until(lambda: (n := named(space)) != after and all(n.values()) and n, 20, "the next connection", [producer])
    assert set(again) == set(wanted)
    assert len(set(again.values())) == 1

    # The one that left comes back.
    listed([*wanted, gone])
    back = wait_named(space, [*wanted, gone], producer)
    assert back[gone] > back[NEW[0]]

    # And its series goes on: the gap is closed, or empty where all of it lies in one minute.
    wait_until(lambda: all(span.end for span in ended()), 30, "the series to go on", [producer, processor])

    venue.fault("pause", seconds=60)
    assert producer.stop() == 0
    assert processor.stop() == 0
    assert not published(space) - in_ledger(venue, sent=True)
    states = {s.state for series in statuses(space, "finnhub").values() for s in series}
    assert states == {"connecting", "live", "down", "stopping"}
    for status in (s for series in statuses(space, "finnhub").values() for s in series if s.symbols):
        assert all(served.good_from is None or served.good_from >= begun for served in status.symbols)
