"""An outage as it is promised: told within two seconds, attempts that wait longer, candles of the hole from the vendor.

The short one is always run. That of three minutes takes five: `OUTAGE_S=180 .venv/bin/python -m pytest <this file>`.
"""

import json
import os
import sys
import time

import pytest

from schemas.records import Candle, Gap
from schemas.topics import GAPS, Topic
from tests.support.published import corner, count, statuses
from tests.support.services import Service, allowed, wait_until
from tests.support.vendor import candles, counted, producers, records_of, vendor

pytestmark = pytest.mark.integration
S = 1_000_000
M = 60 * S
CANDLES = Topic("candles-1m", Candle, "series", "")
BUSY = "BINANCE:BTCUSDT"
LONG_S = float(os.environ.get("OUTAGE_S") or 0)


@pytest.fixture
def space(stack):
    with corner(stack) as made:
        yield made


@pytest.fixture
def venue():
    with vendor() as made:
        yield made


@pytest.fixture
def services(space, venue, tmp_path):
    """A function (settings) -> a live producer, beside a processor that has seen the series."""
    folder = tmp_path / "processor"
    folder.mkdir()
    processor = Service("processor", space.env, folder).start()
    with producers(space, venue, tmp_path) as start:

        def live(**settings):
            service = start(FINNHUB_SYMBOLS=BUSY, CANDLEWICK_BOOTSTRAP_DAYS="0", **settings)
            wait_until(lambda: counted(service, "feed_live") == 1, 30, "the feed", [service, processor])
            wait_until(lambda: count(space, GAPS) > 0, 60, "the first sight of the series", [service, processor])
            return [service, processor]

        yield live
    processor.discard()


def outage(space, since_us):
    """Return every telling of the outage that began about `since_us`, in order of version."""
    told = [g for g in records_of(space, GAPS, Gap) if g.cause == "feed_down" and g.from_time > since_us - 5 * S]
    return sorted(told, key=lambda gap: gap.version)


def state(space, since_us, wanted):
    return next((gap for gap in outage(space, since_us) if gap.state == wanted), None)


def waits(service):
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if '"connection.lost"' in line]
    return [line["wait_s"] for line in lines]


def test_outage_is_told_within_two_seconds_and_every_attempt_may_wait_longer(space, venue, services):
    both = services()
    cut_us = time.time_ns() // 1000
    venue.fault("drop", seconds=5, how="rst")
    opened = wait_until(lambda: state(space, cut_us, "open"), 20, "the open gap", both)
    assert opened.updated_at - cut_us < allowed(2) * S
    assert abs(opened.from_time - cut_us) < allowed(2) * S
    closed = wait_until(lambda: state(space, cut_us, "closed"), 60, "the closed gap", both)
    assert (closed.gap_id, closed.from_time) == (opened.gap_id, opened.from_time), "one outage is one gap"
    found = waits(both[0])
    assert len(found) >= 2, "one attempt was enough, so nothing of a back-off was shown"
    assert all(wait <= min(60.0, 0.2 * 2 ** (n + 1)) for n, wait in enumerate(found))
    assert [service.stop() for service in both] == [0, 0]


@pytest.mark.skipif(not LONG_S, reason="takes minutes: OUTAGE_S=180 asks for it")
@pytest.mark.timeout(900)
def test_hole_of_minutes_has_the_vendors_candles_within_ten_seconds_of_its_last_minute(space, venue, services, capsys):
    both = services()
    wait_until(lambda: starts(space), 90, "a final candle before", both)
    cut_us = time.time_ns() // 1000
    venue.fault("drop", seconds=LONG_S, how="rst")
    opened = wait_until(lambda: state(space, cut_us, "open"), 20, "the open gap", both)
    filled = wait_until(lambda: state(space, cut_us, "filled"), LONG_S + 200, "the filled gap", both)
    back_us = next(s.good_from for s in statuses(space, "finnhub", 0)[0] if s.state == "live" and s.good_from > cut_us)
    minutes = range(filled.from_time // M * M, filled.to_time, M)
    whole_us = minutes[-1] + M
    wait_until(lambda: set(minutes) <= set(starts(space)), 20, "every minute's candle", both)
    found = records_of(space, CANDLES, Candle)
    # Minutes that were over when the feed came back are asked for at once, the last one when it is over.
    over = [start for start in minutes if start + M < back_us - 5 * S]
    firsts = [min(c.updated_at for c in found if c.start == start and c.provenance == "vendor") for start in over]
    said = (
        f"\ntold {(opened.updated_at - cut_us) / S:.2f} s after the cut; back after {(back_us - cut_us) / S:.1f} s in "
        f"{len(waits(both[0]))} attempts; {len(over)} minutes that were over had their candles "
        f"{(max(firsts) - back_us) / S:.1f} s after that; "
        f"all {len(minutes)} filled {(filled.updated_at - back_us) / S:.1f} s after it, "
        f"{(filled.updated_at - max(back_us, whole_us)) / S:.1f} s after the last minute of the hole was over\n"
    )
    with capsys.disabled():
        sys.stdout.write(said)
    assert opened.updated_at - cut_us < allowed(2) * S
    assert max(firsts) - back_us < allowed(10) * S
    assert filled.updated_at - max(back_us, whole_us) < allowed(10) * S
    vendors = candles(venue, BUSY, minutes[0], whole_us)
    for start in minutes:
        versions = [c for c in records_of(space, CANDLES, Candle) if c.start == start]
        newest = max(versions, key=lambda candle: candle.version)
        assert (newest.provenance, newest.coverage, newest.gap_cause) == ("vendor", 1.0, "none")
        assert (newest.open, newest.high, newest.low, newest.close) == vendors[start][:4]
    assert [service.stop() for service in both] == [0, 0]


def starts(space):
    """Return the starts of the minutes that have a final or revised candle."""
    return {candle.start for candle in records_of(space, CANDLES, Candle)}
