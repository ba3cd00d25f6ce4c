"""Laws 7 and 8 on the real broker: workers join, leave, die and freeze under a steady load; the content is that of a calm run.

CHAOS_ROUNDS repeats the ordeal (default 1); CHAOS_RATE is the number of trades a second (default 1,000).
"""

import os
import time
from collections import defaultdict

import pytest

from tests.support.judge import buried, candles, clipped, committed, copy, ends, gap_records, latest, spans
from tests.support.market import SOURCE, Market
from tests.support.services import wait_until

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
RATE = float(os.environ.get("CHAOS_RATE", "1000"))
pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(240 + 180 * ROUNDS)]
S = 1_000_000
SETTLED = 4 * S  # lateness 2 s, statuses every second, and one to spare


def test_law_7_8_workers_that_join_leave_die_and_freeze_leave_the_content_of_a_calm_run(make_corner, make_worker):
    space, calm_space = make_corner(), make_corner()
    first, second = make_worker("first", space).start(), make_worker("second", space)
    market = Market(space, RATE).start()
    try:
        first.wait_assigned(4, 0)
        for _ in range(ROUNDS):
            ordeal(first, second)
            first, second = second, first
        stopped = market.pause()
        wait_until(lambda: _now_is_past(stopped + SETTLED), 20, "statuses after the last trade")
        upto = ends(space)
        wait_until(lambda: committed(space, upto), 60, "everything to be committed", [first.service])
    finally:
        market.stop()
    assert first.service.stop() == 0
    found = {timeframe: candles(space, timeframe) for timeframe in ("1s", "1m", "5m")}
    gaps = spans(gap_records(space))

    for timeframe, published in found.items():
        assert buried(published) == [], f"a lower {timeframe} version lies on top"
    counted = {place: (c.trade_count, c.volume, c.high, c.low) for place, c in latest(found["1s"]).items()}
    assert different(counted, by_hand(market.sent)) == []
    cut = stopped + S
    assert {s for s in clipped(gaps, cut) if s.cause not in ("no_trades", "partial_start")} == set(), "invented gaps"

    calm_upto = copy(space, calm_space, upto)
    calm = make_worker("calm", calm_space, CANDLEWICK_PRODUCER_SILENT_S="3600").start()
    wait_until(lambda: committed(calm_space, calm_upto), 90, "the calm run to be committed", [calm.service])
    assert calm.service.stop() == 0
    for timeframe, published in found.items():
        expected = latest(candles(calm_space, timeframe))
        ours = latest(published)
        assert different(until(ours, cut), until(expected, cut)) == [], timeframe
    assert clipped(gaps, cut) == clipped(spans(gap_records(calm_space)), cut)


def ordeal(first, second):
    """`first` owns everything; afterwards `second` does."""
    # Freezes, for longer than a silent producer is waited for but not so long that anybody takes over.
    thawing = time.monotonic() + 7
    first.freeze()
    wait_until(lambda: time.monotonic() > thawing, 20, "seven seconds to pass")
    first.thaw()
    # Joins.
    had, has = first.assignments(), second.assignments()
    second.start()
    first.wait_assigned(2, had)
    second.wait_assigned(2, has)
    # Leaves.
    had = second.assignments()
    assert first.service.stop() == 0
    second.wait_assigned(4, had)
    # Joins again and dies.
    had, has = second.assignments(), first.assignments()
    first.start()
    second.wait_assigned(2, had)
    first.wait_assigned(2, has)
    had = second.assignments()
    first.service.kill()
    second.wait_assigned(4, had)
    # Freezes, while the other, back again, takes everything over, and thaws.
    had, has = second.assignments(), first.assignments()
    first.start()
    second.wait_assigned(2, had)
    first.wait_assigned(2, has)
    had, has = first.assignments(), second.assignments()
    second.freeze()
    first.wait_assigned(4, had)
    had = first.assignments()
    second.thaw()
    second.wait_assigned(2, has)
    first.wait_assigned(2, had)
    had = second.assignments()
    assert first.service.stop() == 0
    second.wait_assigned(4, had)


def by_hand(trades):
    """Candles of one second from the ledger, with nothing of ours: (count, volume, high, low) by (series, start)."""
    found = defaultdict(list)
    for trade in trades:
        found[f"{SOURCE}:{trade.symbol}", trade.event_time // S * S].append((trade.price, trade.size))
    return {
        place: (
            len(rows),
            sum(round(size * 1e9) for _, size in rows) / 1e9,
            max(price for price, _ in rows),
            min(price for price, _ in rows),
        )
        for place, rows in found.items()
    }


def until(found, cut):
    return {place: candle for place, candle in found.items() if candle.end <= cut}


def different(ours, expected):
    """The first few differences, for people."""
    lines = [(place, ours.get(place), expected.get(place)) for place in sorted(ours.keys() | expected.keys())]
    return [line for line in lines if line[1] != line[2]][:5]


def _now_is_past(instant):
    return time.time_ns() // 1000 > instant
