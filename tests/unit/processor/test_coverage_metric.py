"""What the coverage alert counts: closed 1m candles once, live and revised ones and parents not at all."""

from dataclasses import replace

import pytest

from processor.telemetry import LOST_SECONDS, WINDOW_SECONDS, count_coverage
from tests.support.columns import vendor_candles
from tests.support.feeding import a_candle


def value(counter):
    return counter.collect()[0].samples[0].value


CASES = [
    ("1m", "final", 1.0, 60, 0),
    ("1m", "final", 0.75, 60, 15),
    ("1m", "live", 0.5, 0, 0),
    ("1m", "revised", 0.5, 0, 0),
    ("5m", "final", 0.5, 0, 0),
]


def test_first_candles_of_a_vendor_alone_are_counted_revised_ones_are_not():
    before = value(WINDOW_SECONDS), value(LOST_SECONDS)
    count_coverage([vendor_candles(["none", "bootstrap", "none"]), vendor_candles(["none"], "5m")])
    assert (value(WINDOW_SECONDS) - before[0], value(LOST_SECONDS) - before[1]) == (120, 0)


@pytest.mark.parametrize(("timeframe", "state", "coverage", "seconds", "lost"), CASES)
def test_lost_time_of_final_base_candles_is_counted(timeframe, state, coverage, seconds, lost):
    before = value(WINDOW_SECONDS), value(LOST_SECONDS)
    candle = replace(a_candle(0, 1), timeframe=timeframe, state=state, coverage=coverage)
    count_coverage([candle])
    assert value(WINDOW_SECONDS) - before[0] == pytest.approx(seconds)
    assert value(LOST_SECONDS) - before[1] == pytest.approx(lost)
