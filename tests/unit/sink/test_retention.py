import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timeframes import DAY, SECOND, parse
from sink.overrides import Retention
from sink.retention import LONGEST_S, days_of, default_days, from_environment, seconds, ttl_s, variable_of


@pytest.mark.parametrize(
    ("timeframe", "days"),
    [
        ("1s", 7),
        ("30s", 7),
        ("1m", 30),
        ("3m", 90),
        ("5m", 90),
        ("15m", 180),
        ("1h", 365),
        ("4h", 730),
        ("12h", 730),
        ("1d", 0),
        ("1w", 0),
    ],
)
def test_longer_candles_are_kept_longer(timeframe, days):
    assert default_days(parse(timeframe)) == days


def test_settings_are_laid_over_the_defaults():
    changed = from_environment({"CANDLEWICK_RETENTION_1m": "0", "CANDLEWICK_RETENTION_QUOTES": "0.5", "HOME": "x"})
    days = days_of([parse("1m"), parse("1d")], changed)
    assert days == {"1m": 0, "1d": 0, "trades": 7, "quotes": 0.5, "gaps": 365, "candle_versions": 30}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("1x", "1"),
        ("trades", "1"),
        ("CANDLES", "1"),
        ("1m", "-1"),
        ("1m", "a week"),
        ("1m", "nan"),
        ("1m", "7301"),
        ("1m", "1e-9"),
    ],
)
def test_a_wrong_retention_is_refused_by_its_name(name, value):
    with pytest.raises(ValueError, match=f"CANDLEWICK_RETENTION_{name}"):
        from_environment({f"CANDLEWICK_RETENTION_{name}": value})


def test_fractions_of_a_day_are_whole_seconds():
    assert seconds(0.125) == 10_800
    assert seconds(0) == 0


def test_variables_are_named_as_they_are_read():
    assert variable_of("5m") == "CANDLEWICK_RETENTION_5m"
    assert variable_of("trades") == "CANDLEWICK_RETENTION_TRADES"


@given(st.integers(0, 10**17), st.integers(1, 630_720_000), st.integers(0, 10**17))
def test_law_10_honest_ttl_a_row_expires_at_its_own_time_plus_retention(own_us, keep_s, now_us):
    expires_us = Retention({"1m": keep_s}).expires_us("1m", own_us)
    ttl = ttl_s(expires_us, now_us)
    if ttl is None:
        assert now_us > expires_us - SECOND
    else:
        assert ttl > 0
        assert min(expires_us - SECOND, now_us + (LONGEST_S - 1) * SECOND) < now_us + ttl * SECOND <= expires_us


def test_for_ever_is_zero_and_never_a_null():
    assert ttl_s(None, DAY) == 0


def test_what_lies_ahead_at_the_longest_retention_asks_for_no_more_than_cassandra_takes():
    assert ttl_s(2 * SECOND + LONGEST_S * SECOND, 0) == LONGEST_S
