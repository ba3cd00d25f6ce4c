from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.calendar import ALWAYS, FX, calendar_of, cut, parse_sessions


def instant(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


def test_fx_is_closed_from_friday_17_to_sunday_17_new_york_in_winter_and_in_summer():
    assert FX.closed(instant(2024, 12, 7), instant(2024, 12, 8)) == [(instant(2024, 12, 6, 22), instant(2024, 12, 8, 22))]
    assert FX.closed(instant(2024, 7, 6), instant(2024, 7, 7)) == [(instant(2024, 7, 5, 21), instant(2024, 7, 7, 21))]


def test_the_weekend_of_a_clock_change_is_an_hour_longer_or_shorter():
    assert FX.closed(instant(2024, 3, 9), instant(2024, 3, 10)) == [(instant(2024, 3, 8, 22), instant(2024, 3, 10, 21))]
    assert FX.closed(instant(2024, 11, 2), instant(2024, 11, 3)) == [(instant(2024, 11, 1, 21), instant(2024, 11, 3, 22))]


def test_midweek_is_open():
    assert FX.closed(instant(2024, 12, 3), instant(2024, 12, 6, 22)) == []
    assert ALWAYS.closed(instant(2024, 12, 1), instant(2025, 12, 1)) == []


@given(st.integers(0, 4 * 10**15), st.integers(0, 60 * 86_400 * 10**6))
def test_pieces_tile_the_interval_and_closed_ones_lie_in_weekends(start, length):
    pieces = cut(start, start + length, FX.closed(start, start + length))
    at = start
    for a, b, closed in pieces:
        assert a == at < b
        assert bool(FX.closed(a, b)) is closed
        at = b
    assert at == start + length


def test_the_first_pattern_that_fits_decides_and_none_means_always_open():
    sessions = parse_sessions("finnhub:OANDA:*=fx, finnhub:*=24/7,ig:*=fx")
    assert calendar_of(sessions, "finnhub:OANDA:EUR_USD") is FX
    assert calendar_of(sessions, "finnhub:BINANCE:BTCUSDT") is ALWAYS
    assert calendar_of(sessions, "coinbase:BTC-USD") is ALWAYS


@pytest.mark.parametrize("text", ["fx", "ig:*=", "ig:*=lunch", "=fx"])
def test_a_wrong_session_is_refused_with_its_text(text):
    with pytest.raises(ValueError, match=r"pattern=calendar|no calendar"):
        parse_sessions(text)
