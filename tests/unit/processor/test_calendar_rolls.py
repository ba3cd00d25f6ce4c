"""Days that begin at a session's roll: where windows begin and end, and what the core makes of a day of 23 or 25 hours."""

from dataclasses import replace
from datetime import UTC, datetime, time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.core.config import CoreConfig
from processor.core.rolls import Roll, Rolled, ends_of, parse_rolls, starts_of, timeframes_of
from processor.core.shapes import SnapshotError
from processor.settings import Settings, SettingsError, read
from schemas.timeframes import DAY, HOUR, MINUTE, SECOND, WEEK, parse, parse_list
from tests.support.core import ZERO, Driven

NEW_YORK = Roll(time(17), "America/New_York")
CONFIG = CoreConfig(timeframes=parse_list("1m,1h,1d,1w"), rolls=(("sim:*", NEW_YORK),))


def instant(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND


def clock(moment):
    """The cases' clock at a moment, in seconds."""
    return f"{(moment - ZERO) / SECOND:.6f}"


def window(timeframe, moment):
    start = timeframe.start_of(moment)
    return start, timeframe.end_of(start)


# Where windows begin and end


def test_a_day_begins_at_17_new_york_in_winter_and_in_summer():
    day = NEW_YORK.of(parse("1d"))
    assert window(day, instant(2024, 12, 4, 12)) == (instant(2024, 12, 3, 22), instant(2024, 12, 4, 22))
    assert window(day, instant(2024, 7, 3, 21)) == (instant(2024, 7, 3, 21), instant(2024, 7, 4, 21))


def test_the_days_on_which_clocks_change_have_23_and_25_hours():
    day = NEW_YORK.of(parse("1d"))
    assert window(day, instant(2024, 3, 10, 12)) == (instant(2024, 3, 9, 22), instant(2024, 3, 10, 21))
    assert window(day, instant(2024, 11, 3, 12)) == (instant(2024, 11, 2, 21), instant(2024, 11, 3, 22))
    assert day.longest_us == 25 * HOUR


def test_a_week_begins_with_mondays_session_on_sunday_or_on_monday_where_days_begin_in_the_morning():
    week = NEW_YORK.of(parse("1w"))
    assert window(week, instant(2024, 3, 13)) == (instant(2024, 3, 10, 21), instant(2024, 3, 17, 21))
    assert window(week, instant(2024, 3, 9)) == (instant(2024, 3, 3, 22), instant(2024, 3, 10, 21))
    morning = Roll(time(6), "Europe/London").of(parse("1w"))
    assert window(morning, instant(2024, 12, 4)) == (instant(2024, 12, 2, 6), instant(2024, 12, 9, 6))


def test_windows_shorter_than_a_day_and_those_of_no_whole_days_stay_as_they_are():
    shared = (parse("1m"), parse("4h"), parse("36h"))
    assert timeframes_of(shared, CONFIG.rolls, "sim:X") == shared
    assert timeframes_of((parse("1d"),), CONFIG.rolls, "other:X") == (parse("1d"),)


def test_a_time_that_the_clocks_leave_out_or_have_twice_still_begins_one_day():
    berlin = Roll(time(2, 30), "Europe/Berlin").of(parse("1d"))
    assert window(berlin, instant(2024, 3, 31, 12)) == (instant(2024, 3, 31, 1, 30), instant(2024, 4, 1, 0, 30))
    assert window(berlin, instant(2024, 10, 27, 12)) == (instant(2024, 10, 27, 0, 30), instant(2024, 10, 28, 1, 30))


zones = st.sampled_from(
    ["America/New_York", "Europe/Berlin", "Asia/Tokyo", "Pacific/Apia", "Africa/Monrovia", "Antarctica/Troll"]
)
moments = st.integers(-(10**15), 10**16)


@settings(deadline=None)  # the first of each reckons 130 years
@given(
    st.sampled_from([Roll(time(17), "America/New_York"), Roll(time(2, 30), "Pacific/Apia")]),
    st.sampled_from(["1d", "2d", "1w"]),
    moments,
)
def test_windows_tile_all_of_time_and_hold_whole_minutes(roll, name, moment):
    frame = roll.of(parse(name))
    start, end = window(frame, moment)
    assert start <= moment < end
    assert start % MINUTE == end % MINUTE == 0
    assert window(frame, start) == (start, end)
    assert frame.start_of(end) == end
    assert frame.start_of(start - 1) < start
    assert frame.end_of(frame.start_of(start - 1)) == start
    assert end - start <= frame.longest_us


@given(st.lists(moments, max_size=20), st.sampled_from([parse("1d"), NEW_YORK.of(parse("1d")), NEW_YORK.of(parse("1w"))]))
def test_many_moments_at_once_give_what_each_gives(times, frame):
    starts = starts_of(frame, np.array(times, np.int64))
    assert starts.tolist() == [frame.start_of(t) for t in times]
    assert ends_of(frame, starts).tolist() == [frame.end_of(s) for s in starts.tolist()]


def test_days_in_zones_of_odd_offsets_and_left_out_dates_tile_time():
    for zone in ("Pacific/Apia", "Africa/Monrovia", "Antarctica/Troll", "Pacific/Kwajalein"):
        day = Roll(time(17), zone).of(parse("1d"))
        assert isinstance(day, Rolled)
        lengths = np.diff(day.lookup)
        assert (day.lookup % MINUTE == 0).all()
        assert ((lengths > 0) & (lengths <= 2 * DAY)).all()


# The setting


def test_the_setting_reaches_the_core_and_the_first_pattern_that_fits_decides():
    text = "ig:IX.*=22:00 Europe/London, ig:*=17:00 America/New_York"
    settings = Settings(kafka="broker:9092", registry="http://registry", session_rolls=text)
    known = settings.core().rolls
    assert known == (("ig:IX.*", Roll(time(22), "Europe/London")), ("ig:*", NEW_YORK))
    assert timeframes_of((parse("1d"),), known, "ig:IX.D.DAX")[0].start_of(instant(2024, 12, 4, 12)) == instant(2024, 12, 3, 22)
    assert timeframes_of((parse("1d"),), known, "ig:CS.D.EURUSD")[0].start_of(instant(2024, 7, 4)) == instant(2024, 7, 3, 21)


@pytest.mark.parametrize(
    "text",
    ["ig:*", "ig:*=17:00", "=17:00 Europe/London", "ig:*=25:00 Europe/London", "ig:*=17:00 Nowhere/Town", "ig:*=17:00 ../x"],
)
def test_a_wrong_roll_is_refused_with_its_text(text, monkeypatch):
    with pytest.raises(ValueError, match=r"HH:MM zone|time of day and zone"):
        parse_rolls(text)
    for name, value in {"KAFKA": "broker:9092", "REGISTRY": "http://registry", "SESSION_ROLLS": text}.items():
        monkeypatch.setenv(f"CANDLEWICK_{name}", value)
    with pytest.raises(SettingsError, match="CANDLEWICK_SESSION_ROLLS"):
        read()


# What the core makes of it

LONG = (instant(2024, 11, 2, 21), instant(2024, 11, 3, 22))
"""The day of 25 hours."""


def begun(config=CONFIG):
    core = Driven(config=config)
    core.status(clock(LONG[0] - HOUR), good_from=clock(LONG[0] - HOUR))
    core.traded(clock(LONG[0] - 1), price=1.0)
    core.traded(clock(LONG[0]), price=2.0)
    return core


def days(core):
    return {(c.start, c.end): c for c in core.candles if c.timeframe == "1d" and c.state != "live"}


def test_law_3_a_day_of_25_hours_holds_its_trades_and_closes_at_its_roll():
    core = begun()
    core.traded(clock(LONG[1] - 1), price=9.0)
    core.status(clock(LONG[1] + SECOND), good_from=clock(LONG[0] - HOUR))
    before = (instant(2024, 11, 1, 21), LONG[0])
    assert days(core).keys() == {before}, "24 hours after its start the long day is still open"
    core.traded(clock(LONG[1]), price=7.0)
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(LONG[0] - HOUR))
    found = days(core)
    assert found.keys() == {before, LONG}
    candle = found[LONG]
    assert (candle.open, candle.high, candle.low, candle.close, candle.trade_count) == (2.0, 9.0, 2.0, 9.0, 2)
    assert (candle.coverage, candle.version) == (1.0, 3)


def test_law_3_coverage_is_the_share_of_the_days_real_length():
    core = begun()
    noon = LONG[0] + 10 * HOUR
    core.status(clock(noon), "down", good_until=clock(noon), good_from=clock(LONG[0] - HOUR))
    core.status(clock(noon + 5 * HOUR), good_from=clock(noon + 5 * HOUR))
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(noon + 5 * HOUR))
    candle = days(core)[LONG]
    assert (candle.coverage, candle.gap_cause) == (20 / 25, "feed_down")
    assert candle.version == 1 + 200_000 + 1


def test_law_3_what_is_lost_in_the_last_hour_of_a_long_day_is_lost_to_that_day():
    core = begun()
    last = LONG[0] + 24 * HOUR
    core.status(clock(last), good_from=clock(LONG[0] - HOUR))
    core.status(clock(last + SECOND), "down", good_until=clock(last), good_from=clock(LONG[0] - HOUR))
    core.status(clock(last + HOUR // 2), good_from=clock(last + HOUR // 2))
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(last + HOUR // 2))
    assert (days(core)[LONG].coverage, days(core)[LONG].gap_cause) == (24.5 / 25, "feed_down")


def test_a_late_trade_revises_the_day_that_its_moment_lies_in():
    core = begun()
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(LONG[0] - HOUR))
    core.trades(core.trade(clock(LONG[1] - MINUTE), price=4.0, received=clock(LONG[1] + HOUR)))
    candle = days(core)[LONG]
    assert (candle.state, candle.close, candle.trade_count) == ("revised", 4.0, 2)


def test_law_3_a_vendors_minutes_fill_rolled_days_before_first_sight():
    core = begun()
    core.status(clock(LONG[1] - HOUR), good_from=clock(LONG[0] - HOUR))
    received = clock(LONG[1] - HOUR)
    for moment, price in ((instant(2024, 10, 31, 20, 59), 3), (instant(2024, 10, 31, 21), 4), (instant(2024, 11, 1, 20, 59), 6)):
        core.history(core.vendor(clock(moment), received=received, ohlc=(price,) * 4, origin="bootstrap"))
    core.status(clock(LONG[1] - HOUR + SECOND), good_from=clock(LONG[0] - HOUR))
    found = days(core)
    thursday, friday = instant(2024, 10, 30, 21), instant(2024, 10, 31, 21)
    assert [(a, b) for a, b in sorted(found) if b <= friday + DAY] == [(thursday, friday), (friday, friday + DAY)]
    assert (found[friday, friday + DAY].open, found[friday, friday + DAY].close) == (4, 6)
    assert (found[friday, friday + DAY].volume, found[friday, friday + DAY].provenance) == (200.0, "vendor")


def test_law_8_a_restart_within_a_long_day_goes_on_where_it_was():
    core = begun()
    core.crash()
    core.traded(clock(LONG[1] - 1), price=9.0)
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(LONG[0] - HOUR))
    assert days(core)[LONG].trade_count == 2


def test_the_first_trade_of_a_long_days_last_hour_finds_the_day_open():
    core = Driven(config=CONFIG)
    last = LONG[0] + 24 * HOUR + 30 * MINUTE
    core.status(clock(last), good_from=clock(last))
    core.traded(clock(last + SECOND), price=5.0)
    core.status(clock(last + 10 * SECOND), good_from=clock(last))
    assert days(core) == {}
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(last))
    assert [(span, c.state, c.trade_count) for span, c in days(core).items()] == [(LONG, "final", 1)]


@pytest.mark.parametrize("crashes", [False, True])
def test_a_vendors_minutes_of_a_long_days_last_hour_leave_the_day_open(crashes):
    core = Driven(config=CONFIG)
    last = LONG[0] + 24 * HOUR + 30 * MINUTE
    core.status(clock(last), good_from=clock(last))
    core.history(core.vendor(clock(last - 10 * MINUTE), received=clock(last), origin="bootstrap"))
    core.status(clock(last + 10 * SECOND), good_from=clock(last))
    if crashes:
        core.crash()
    assert days(core) == {}
    core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(last))
    assert [(span, c.state, c.provenance) for span, c in days(core).items()] == [(LONG, "final", "vendor")]


@pytest.mark.parametrize("closed", [False, True])
def test_state_of_days_that_rolled_at_other_times_is_refused(closed):
    core = begun()
    if closed:
        core.status(clock(LONG[1] + 2 * SECOND), good_from=clock(LONG[0] - HOUR))
    core.config = replace(CONFIG, rolls=())
    with pytest.raises(SnapshotError, match=r"sim:X holds a 1[dw] window .* reset the processor's group and state"):
        core.crash()


def test_a_long_week_is_kept_until_its_end_and_forgotten_after_it():
    core = begun()
    start, end = instant(2024, 10, 27, 21), LONG[1]
    assert end - start == WEEK + HOUR
    core.status(clock(end - SECOND), good_from=clock(LONG[0] - HOUR))
    core.traded(clock(end - SECOND), price=9.0)
    core.status(clock(end + 2 * SECOND), good_from=clock(LONG[0] - HOUR))
    weeks = [c for c in core.candles if c.timeframe == "1w" and c.state == "final"]
    assert [(c.start, c.end, c.trade_count) for c in weeks] == [(start, end, 3)]
    frame = core.partition.series["sim:X"].frames[-1]
    assert start in frame.windows
    core.status(clock(end + 2 * HOUR), good_from=clock(LONG[0] - HOUR))
    assert start in frame.windows, "a late trade can still revise it"
    # First sight lies in it: a bootstrap may add what came before for eight days.
    core.status(clock(end + WEEK + 28 * HOUR), good_from=clock(LONG[0] - HOUR))
    core.status(clock(end + WEEK + 28 * HOUR + 2 * MINUTE), good_from=clock(LONG[0] - HOUR))
    assert start not in frame.windows


def test_a_loss_at_the_beginning_of_a_long_week_counts_as_long_as_the_week_can_change():
    core = Driven(config=CONFIG)
    start, end = instant(2024, 10, 27, 21), LONG[1]
    core.status(clock(start), good_from=clock(start))
    core.status(clock(start + 11 * MINUTE), "down", good_until=clock(start + 10 * MINUTE), good_from=clock(start))
    good = clock(start + 30 * MINUTE)
    core.status(good, good_from=good)
    for hours in range(1, 170):
        core.status(clock(start + hours * HOUR), good_from=good)
    core.status(clock(end + 2 * HOUR), good_from=good)
    core.trades(core.trade(clock(end - 1), received=clock(end + HOUR)))
    core.status(clock(end + 2 * HOUR + SECOND), good_from=good)
    week = next(c for c in reversed(core.candles) if c.timeframe == "1w")
    assert (week.start, week.end, week.gap_cause) == (start, end, "feed_down")
    assert week.coverage == pytest.approx(1 - 20 / (169 * 60), abs=1e-12)
