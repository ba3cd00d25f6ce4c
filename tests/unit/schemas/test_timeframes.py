"""Timeframes: what may be asked for, and where windows begin."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timeframes import DAY, DEFAULT, MINUTE, SECOND, WEEK, Timeframe, parse, parse_list

times = st.integers(0, 4_102_444_800 * SECOND)  # to 2100
frames = st.sampled_from(["1s", "10s", "30s", "1m", "5m", "7m", "1h", "4h", "1d", "1w"]).map(parse)


@given(frames, times)
def test_every_moment_lies_in_exactly_one_window(frame, time_us):
    start = frame.start_of(time_us)
    assert start <= time_us < start + frame.us
    assert frame.start_of(start) == start
    assert frame.start_of(start + frame.us) == start + frame.us


@given(times)
def test_days_begin_at_midnight_utc_and_weeks_on_monday(time_us):
    def moment(us):
        return datetime.datetime.fromtimestamp(us // SECOND, datetime.UTC)

    day, week = moment(parse("1d").start_of(time_us)), moment(parse("1w").start_of(time_us))
    assert (day.hour, day.minute, day.second) == (0, 0, 0)
    assert (week.weekday(), week.hour) == (0, 0)


@given(times)
def test_a_parents_window_is_made_of_whole_minutes(time_us):
    for name in ("5m", "15m", "1h", "4h", "1d", "1w"):
        assert parse(name).start_of(time_us) % MINUTE == 0


def test_the_defaults_are_sorted_and_named():
    assert [t.name for t in parse_list(DEFAULT)] == ["1m", "5m", "15m", "1h", "4h", "1d"]
    assert parse_list(" 1d, 1m ,10s") == (Timeframe(10 * SECOND, "10s"), Timeframe(MINUTE, "1m"), Timeframe(DAY, "1d"))
    assert parse("1w").us == WEEK


@pytest.mark.parametrize(
    "name", ["", "m", "0m", "01m", "-1m", "1", "1 m", "1M", "1y", "1.5m", "2w", "8d", "7s", "90s", "1m\n", "٣m"]
)
def test_what_is_no_timeframe_is_refused(name):
    with pytest.raises(ValueError, match=r"timeframe|multiple|divide|longest"):
        parse(name)


@pytest.mark.parametrize("text", ["", "5m", "10s,5m", "1m,60s", "1m,1m", "1m,x"])
def test_what_is_no_list_of_timeframes_is_refused(text):
    with pytest.raises(ValueError, match=r"1m|twice|timeframe"):
        parse_list(text)
