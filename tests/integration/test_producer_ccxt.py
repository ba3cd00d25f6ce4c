"""An exchange by way of ccxt, pointed at the simulated venue: what it sent is published, and nothing claims to be proven."""

import json
from collections import Counter

import pytest

from schemas.topics import TRADES
from tests.support.published import corner, count, dead_letters, history, statuses, trades
from tests.support.services import Service, wait_until
from tests.support.venue import Venue

pytestmark = pytest.mark.integration
SOURCE = "ccxt-coinbaseexchange"
SYMBOLS = ("BTC/USD", "ETH/USD")
MS = 1_000
KEYS = {"apiKey": "marker-of-the-key", "secret": "marker-of-the-secret"}
BURST = 8_000
"""The library keeps 1,000 trades of its own accord, and what comes in a burst beyond is lost without a sign."""
NO_STREAM = {"has": {"watchTrades": False, "watchTradesForSymbols": False}}


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def venue():
    made = Venue("deploy.simulator.coinbase", "--seed", "5")
    yield made
    assert made.stop() == 0


@pytest.fixture
def producer(space, venue, tmp_path):
    """A function (options of ccxt, settings) -> a running producer, discarded at the end."""
    pytest.importorskip("ccxt", reason="the extra ccxt is not installed")
    made = []

    def start(options=None, **settings):
        urls = {"public": venue.ready["rest"], "rest": venue.ready["rest"], "ws": venue.ready["ws"]}
        feed = {
            "CCXT_EXCHANGE": "coinbaseexchange",
            "CCXT_SYMBOLS": ",".join(SYMBOLS),
            "CCXT_OPTIONS": json.dumps({"urls": {"api": urls}, **(options or {})}),
            "CANDLEWICK_BOOTSTRAP_DAYS": "0",
        }
        service = Service("producer", {**space.env, **feed, **settings}, tmp_path, "ccxt")
        made.append(service.start())
        return service

    yield start
    for service in made:
        service.discard()


def said(space):
    return statuses(space, SOURCE, 0).get(0, [])


def wait_for_state(space, state, service, times=1):
    def reached():
        told = [s.state for s in said(space)]
        return [s for n, s in enumerate(told) if n == 0 or told[n - 1] != s].count(state) >= times

    wait_until(reached, 40, f"{times} times {state}", [service])


def published(space):
    return Counter((t.symbol, t.trade_id, t.event_time, t.price, t.size) for t in trades(space, SOURCE))


def sent(venue):
    wanted = {symbol.replace("/", "-"): symbol for symbol in SYMBOLS}
    return Counter(
        (wanted[e["symbol"]], str(e["trade_id"]), e["t"] * 1000, e["p"], e["v"])
        for e in venue.ledger()
        if e["times"] and e["symbol"] in wanted
    )


def a_day_of(space, symbol):
    """Return the results that a bootstrap of a symbol ended with, once they cover a day but for its seam."""
    results = [r for r in history(space, SOURCE) if r.record == "result" and r.symbol == symbol]
    return results if sum(r.end - r.start for r in results) >= 23 * 3600 * 1_000_000 else None


def test_everything_streamed_is_published_and_an_outage_is_told(space, venue, producer):
    service = producer()
    wait_for_state(space, "live", service)
    wait_until(lambda: count(space, TRADES) > 30, 20, "some trades", [service])
    venue.fault("drop", seconds=1)
    wait_for_state(space, "live", service, 2)
    wait_until(lambda: count(space, TRADES) > 60, 20, "trades after the outage", [service])
    venue.fault("error")  # without a reason, which the library's own parser does not survive
    wait_for_state(space, "live", service, 3)
    venue.fault("repeat", seconds=1)
    wait_until(lambda: venue.summary()["repeats_sent"] > 10, 20, "repeats", [service])
    venue.fault("burst", symbol="BTC-USD", count=BURST)
    wait_until(lambda: count(space, TRADES) > BURST, 60, "the burst", [service])
    venue.fault("pause", seconds=60)
    everything = sum(sent(venue).values())
    wait_until(lambda: count(space, TRADES) >= everything, 20, "everything sent to be published", [service])
    assert sum(sent(venue).values()) > BURST
    assert service.stop() == 0
    assert published(space) == sent(venue)
    series = said(space)
    assert {s.ids for s in series} == {"none"}
    assert all("no gap proof" in s.reason for s in series if s.state == "live")
    outages, begun, first = [], None, next(s.good_from for s in series if s.state == "live")
    for status in series:
        if status.state == "down" and begun is None:
            begun = status.good_until
        elif status.state == "live" and begun is not None:
            outages.append((begun, status.good_from))
            begun = None
    assert len(outages) == 2
    lost = [e["t"] * 1000 for e in venue.ledger() if e["symbol"] == "BTC-USD" and e["lost"] and e["t"] * 1000 > first]
    assert lost
    assert all(any(begin <= at + MS and at < end for begin, end in outages) for at in lost)


def test_exchange_without_a_stream_is_asked_and_the_day_before_loaded_as_candles(space, venue, producer):
    venue.fault("rest", status=503, seconds=60)
    service = producer({**NO_STREAM, **KEYS}, CCXT_SYMBOLS="BTC/USD,NO/PE", CANDLEWICK_BOOTSTRAP_DAYS="1")
    wait_until(lambda: "connection.lost" in service.tail(100), 20, "a failure", [service])
    venue.fault("rest", seconds=0)
    wait_for_state(space, "live", service)
    wait_until(lambda: count(space, TRADES) > 60, 20, "some trades", [service])
    results = wait_until(lambda: a_day_of(space, "BTC/USD"), 60, "the day before", [service])
    assert {r.outcome for r in results} == {"complete"}
    venue.fault("pause", seconds=60)
    newest = max(e["trade_id"] for e in venue.ledger() if e["symbol"] == "BTC-USD")
    wait_until(lambda: str(newest) in {t.trade_id for t in trades(space, SOURCE)}, 20, "the newest trade", [service])
    assert service.stop() == 0
    numbers = [int(t.trade_id) for t in trades(space, SOURCE)]
    assert len(numbers) == len(set(numbers)), "a page's repeat was published"
    assert sorted(numbers) == list(range(min(numbers), newest + 1))
    starts = [r.start for r in history(space, SOURCE) if r.record == "candle"]
    assert len(starts) == len(set(starts)) > 1000
    assert {r.outcome for r in history(space, SOURCE) if r.symbol == "NO/PE"} <= {"refused"}
    refused = {loss.symbol for series in statuses(space, SOURCE).values() for s in series for loss in s.losses}
    assert refused == {"NO/PE"}
    told = service.tail(10_000) + repr(statuses(space, SOURCE)) + repr(dead_letters(space, SOURCE))
    assert not any(key in told for key in KEYS.values())
