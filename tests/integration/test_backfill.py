"""Gaps filled from the simulated vendor through every way it fails, and by the real processor to the end."""

import time
from collections import Counter

import pytest

from schemas.records import Candle, Gap, HistoryCandle
from schemas.topics import GAPS, HISTORY, Topic
from tests.support.gaps import a_gap, tell
from tests.support.published import corner, count
from tests.support.services import Service, allowed, candlewick, wait_until
from tests.support.vendor import KEY, asked, candles, counted, producers, records_of, vendor

pytestmark = pytest.mark.integration
S = 1_000_000
M = 60 * S
CANDLES = Topic("candles-1m", Candle, "series", "")
BUSY = "BINANCE:BTCUSDT"
FAILURES = (
    ("rest_flap", {"seconds": 60}),
    ("rest_cut", {"seconds": 60, "minutes": 122}),
    ("rest_refuse", {"seconds": 1.5, "status": 429, "retry_after": 2}),
    ("rest_refuse", {"seconds": 0.5, "status": 502}),
    ("rest_text", {"seconds": 0.5}),
)


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


def results(space):
    return {r.gap_id: r for r in records_of(space, HISTORY, HistoryCandle) if r.record == "result"}


def test_gaps_are_filled_through_every_failure_and_nothing_is_asked_twice_after_a_kill(space, venue, producer):
    service = producer(FINNHUB_SYMBOLS=f"{BUSY},AAPL", CANDLEWICK_BOOTSTRAP_DAYS="0")
    at = time.time_ns() // 1000 // M * M - 180 * M
    unknown = a_gap("finnhub", "NOT-LISTED", "feed_down", at, at + 3 * M)
    tell(space, unknown)
    told = []
    for number, (kind, options) in enumerate(FAILURES):
        venue.fault(kind, **options)
        gap = a_gap("finnhub", BUSY, "feed_down", at + number * 10 * M + 15 * S, at + (number * 10 + 5) * M)
        told.append(gap)
        tell(space, gap)
        wait_until(lambda gap=gap: gap.gap_id in results(space), 30, f"an answer in spite of {kind} {options}", [service])
        venue.fault(kind, **{**options, "seconds": 0})
    wait_until(lambda: unknown.gap_id in results(space), 20, "an answer for the symbol without data", [service])
    service.kill()

    found = records_of(space, HISTORY, HistoryCandle)
    assert {r.outcome for r in found if r.gap_id in {gap.gap_id for gap in told}} == {"none", "complete"}
    for gap in told:
        of_gap = [r for r in found if r.gap_id == gap.gap_id]
        assert [r.record for r in of_gap].count("result") == 1
        assert of_gap[-1].record == "result", "the result comes after its candles"
        assert (of_gap[-1].start, of_gap[-1].end) == (gap.from_time, gap.to_time)
        filled = {r.start: (r.open, r.high, r.low, r.close, r.volume) for r in of_gap[:-1]}
        assert filled == candles(venue, BUSY, gap.from_time // M * M, gap.to_time)
        assert len(filled) == 5
    refused = results(space)[unknown.gap_id]
    assert (refused.outcome, refused.reason, refused.retry_at) == ("refused", "the provider has no data of that time", None)
    said = Counter((q["status"], q["said"]) for q in asked(venue))
    assert said[429, "error"] == 1, "a busy provider was not left alone"
    assert said[502, "error"] >= 1
    assert said[200, "text"] >= 1
    assert said[200, "no_data"] == 1 + 3

    requests, records = len(asked(venue)), count(space, HISTORY)
    again = service.start()
    wait_until(lambda: counted(again, "feed_live") == 1, 30, "the second run", [again])
    last = a_gap("finnhub", "AAPL", "feed_down", at, at + M)
    tell(space, last)
    wait_until(lambda: last.gap_id in results(space), 20, "the one new gap", [again])
    assert again.stop() == 0
    assert len(asked(venue)) == requests + 1
    assert count(space, HISTORY) == records + 2
    assert KEY not in service.log.read_text()
    assert all(KEY not in r.reason for r in found)


def test_outage_is_filled_by_the_vendor_within_seconds_of_its_last_minute(space, venue, producer, tmp_path):
    folder = tmp_path / "processor"
    folder.mkdir()
    processor = Service("processor", space.env, folder).start()
    try:
        service = producer(FINNHUB_SYMBOLS=BUSY, CANDLEWICK_BOOTSTRAP_DAYS="0", CANDLEWICK_BACKOFF_MAX_S="0.5")
        wait_until(lambda: counted(service, "feed_live") == 1, 30, "the feed", [service, processor])
        wait_until(lambda: count(space, GAPS) > 0, 60, "the first sight of the series", [service, processor])
        # The connection comes back some seconds before a minute is over: the last minute of a hole cannot be known sooner.
        left_s = 60 - time.time() % 60
        venue.fault("drop", seconds=left_s - 5 if left_s > 7 else left_s + 55, how="fin")
        began_us = time.time_ns() // 1000
        gap = wait_until(lambda: hole(space, "filled", began_us), 90, "the gap to be filled", [service, processor])
        minutes = range(gap.from_time // M * M, gap.to_time, M)
        assert gap.updated_at - (minutes[-1] + M) < allowed(10) * S, "it took longer than 10 s from the end of its last minute"
        best = wait_until(lambda: best_candles(space, minutes), 20, "candles of the hole", [service, processor])
        vendor_says = candles(venue, BUSY, minutes[0], minutes[-1] + M)
        for start, candle in best.items():
            assert (candle.provenance, candle.coverage, candle.gap_cause) == ("vendor", 1.0, "none")
            assert candle.reason == "backfill"
            assert (candle.open, candle.high, candle.low, candle.close) == vendor_says[start][:4]
        prints = [e for e in venue.ledger() if e["symbol"] == BUSY]
        for start, candle in best.items():
            ours = [e for e in prints if start <= e["t"] * 1000 < start + M]
            assert any(e["lost"] for e in ours), "nothing was lost that history could bring"
            assert candle.low <= min(e["p"] for e in ours) <= max(e["p"] for e in ours) <= candle.high
            # The first minute of all has prints from before the subscription too, which no ledger holds.
            assert candle.volume >= sum(e["v"] for e in ours) * (1 - 1e-9)
        assert service.stop() == 0
        assert processor.stop() == 0
        candlewick(space.env, "audit", "--kafka-only")  # fails where a rebuild out of the topics gives anything else
    finally:
        processor.discard()


def hole(space, state, since_us):
    """Return the newest telling of a feed_down gap that began about `since_us`, if it is in `state`."""
    told = [g for g in records_of(space, GAPS, Gap) if g.cause == "feed_down" and g.from_time > since_us - 5 * S]
    best = max(told, key=lambda g: g.version, default=None)
    return best if best is not None and best.state == state else None


def best_candles(space, minutes):
    """Return the highest versions of the windows, if each has one of the vendor's."""
    best = {}
    for candle in records_of(space, CANDLES, Candle):
        if candle.start in minutes and candle.version >= getattr(best.get(candle.start), "version", 0):
            best[candle.start] = candle
    return best if set(best) == set(minutes) and all(c.provenance == "vendor" for c in best.values()) else None
