"""Days before live, from the simulated vendor to the history topic: all of them, in order, and none twice."""

import time
from collections import Counter
from itertools import pairwise

import pytest

from schemas.records import HistoryCandle
from schemas.topics import HISTORY
from tests.support.published import corner, count, ends, statuses
from tests.support.services import wait_until
from tests.support.vendor import KEY, asked, candles, counted, producers, records_of, vendor

pytestmark = pytest.mark.integration
S = 1_000_000
M = 60 * S
DAY = 1440 * M
SYMBOLS = "BINANCE:BTCUSDT", "AAPL"


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
        yield start


def wait_for_results(space, service, number):
    """Wait until so many questions are answered and Kafka has all that was written."""

    def answered():
        # In this order: what is counted later may not be stored yet.
        is_answered = counted(service, "history_results_total") == number
        written = counted(service, "history_records_total")
        return is_answered and count(space, HISTORY) >= written

    wait_until(answered, 60, f"{number} results", [service])


def told_offsets(space, partitions):
    said = statuses(space, "finnhub")
    return {p: said[p][-1].history_offset for p in partitions}


def test_law_8_bootstrap_that_is_killed_goes_on_where_it_was_and_loads_every_minute_once(space, venue, producer):
    # Three requests a minute for what can wait, so that the kill meets it in the middle: 30 days are five requests a symbol.
    first = producer(FINNHUB_SYMBOLS=",".join(SYMBOLS), FINNHUB_REQUESTS_PER_MINUTE="4")
    wait_for_results(space, first, 3)
    first.kill()
    second = producer(FINNHUB_SYMBOLS=",".join(SYMBOLS))
    wait_for_results(space, second, 7)
    assert counted(second, "bootstrap_settled_seconds") == counted(second, "bootstrap_wanted_seconds") > 0
    wait_until(lambda: '"done": 1.0' in second.tail(100), 10, "the end in the log", [second])
    written = ends(space, HISTORY, "finnhub")
    wait_until(lambda: told_offsets(space, written) == written, 10, "statuses that name what is stored", [second])
    assert second.stop() == 0

    records = records_of(space, HISTORY, HistoryCandle)
    results = [r for r in records if r.record == "result"]
    assert Counter((r.symbol, r.origin, r.outcome) for r in results) == {(s, "bootstrap", "complete"): 5 for s in SYMBOLS}
    spans = Counter((q["symbol"], int(q["from"]) // 3600) for q in asked(venue))
    assert set(spans.values()) == {1}, "something was asked twice"
    assert len(spans) == 10
    for symbol in SYMBOLS:
        loaded = [r for r in records if r.record == "candle" and r.symbol == symbol]
        assert len({r.start for r in loaded}) == len(loaded)
        answers = sorted((r.start, r.end) for r in results if r.symbol == symbol)
        assert all(a[1] == b[0] for a, b in pairwise(answers))
        oldest, newest = answers[0][0], answers[-1][1]
        assert newest - oldest > 30 * DAY - 5 * M
        assert all(oldest <= r.start < newest for r in loaded)
        last = {r.start: (r.open, r.high, r.low, r.close, r.volume) for r in loaded if r.start >= newest - DAY}
        assert last == candles(venue, symbol, newest - DAY, newest)
        assert len(last) > 1000
    assert KEY not in first.log.read_text()


def test_kind_that_the_plan_does_not_hold_is_refused_with_one_request_and_not_asked_again(space, venue, producer):
    venue.fault("rest_refuse", status=403, market="stock", seconds=600)
    began_us = time.time_ns() // 1000
    service = producer(FINNHUB_SYMBOLS="AAPL,MSFT,BINANCE:BTCUSDT", CANDLEWICK_BOOTSTRAP_DAYS="1")
    wait_for_results(space, service, 3)
    by_symbol = {r.symbol: r for r in records_of(space, HISTORY, HistoryCandle) if r.record == "result"}
    assert by_symbol["BINANCE:BTCUSDT"].outcome == "complete"
    for symbol in ("AAPL", "MSFT"):
        assert by_symbol[symbol].outcome == "refused"
        assert by_symbol[symbol].reason.startswith("not entitled to stock candles")
        assert by_symbol[symbol].retry_at > began_us + 3600 * S
    service.kill()
    before = count(space, HISTORY)
    again = service.start()
    # The second run's day begins with its own start, which can be a minute or two later; it ends where the first one's did.
    days = [86_400 - 60 * minutes for minutes in range(3)]
    wait_until(lambda: counted(again, "bootstrap_wanted_seconds") in [3 * d for d in days], 30, "the second run's plan", [again])
    assert counted(again, "bootstrap_settled_seconds") * 3 == counted(again, "bootstrap_wanted_seconds")
    assert again.stop() == 0
    assert Counter(q["market"] for q in asked(venue)) == {"stock": 1, "crypto": 1}
    assert count(space, HISTORY) == before
