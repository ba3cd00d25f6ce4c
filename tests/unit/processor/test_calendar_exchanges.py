"""Calendars of exchanges as exchange_calendars has them, read as the processor reads them at start."""

import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core.calendar import ALWAYS, FX, cut, parse_sessions
from processor.core.config import CoreConfig
from processor.core.listed import Listed, between
from processor.exchanges import calendar
from processor.settings import Settings, SettingsError, read
from schemas.timeframes import parse_list
from tests.support.core import Driven, at


def instant(*parts):
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(scope="module")
def xnys():
    return calendar("xnys")


def open_hours(listed, start, end):
    return [(a, b) for a, b, closed in cut(start, end, listed.closed(start, end)) if not closed]


def test_an_ordinary_day_of_the_nyse(xnys):
    wednesday = (instant(2024, 11, 27), instant(2024, 11, 28))
    assert open_hours(xnys, *wednesday) == [(instant(2024, 11, 27, 14, 30), instant(2024, 11, 27, 21))]


def test_the_day_after_thanksgiving_closes_early_and_christmas_is_closed(xnys):
    assert open_hours(xnys, instant(2024, 11, 28), instant(2024, 11, 29)) == []
    friday = (instant(2024, 11, 29), instant(2024, 11, 30))
    assert open_hours(xnys, *friday) == [(instant(2024, 11, 29, 14, 30), instant(2024, 11, 29, 18))]
    assert open_hours(xnys, instant(2024, 12, 25), instant(2024, 12, 26)) == []
    assert xnys.closed(instant(2024, 12, 25), instant(2024, 12, 26)) == [
        (instant(2024, 12, 24, 18), instant(2024, 12, 26, 14, 30))  # Christmas Eve is a half-day
    ]


def test_the_opening_moves_with_new_yorks_daylight_saving(xnys):
    assert open_hours(xnys, instant(2024, 3, 8), instant(2024, 3, 9)) == [(instant(2024, 3, 8, 14, 30), instant(2024, 3, 8, 21))]
    monday = (instant(2024, 3, 11), instant(2024, 3, 12))
    assert open_hours(xnys, *monday) == [(instant(2024, 3, 11, 13, 30), instant(2024, 3, 11, 20))]
    assert open_hours(xnys, instant(2024, 11, 4), instant(2024, 11, 5)) == [
        (instant(2024, 11, 4, 14, 30), instant(2024, 11, 4, 21))
    ]


def test_holidays_are_known_years_ahead(xnys):
    year = datetime.now(UTC).year + 4
    assert open_hours(xnys, instant(year, 12, 25), instant(year, 12, 26)) == []
    assert sum(b - a for a, b in open_hours(xnys, instant(year, 1, 1), instant(year + 1, 1, 1))) > 240 * 6 * 3600 * 10**6


def test_a_lunch_break_is_closed():
    hong_kong = calendar("xhkg")
    morning, afternoon = open_hours(hong_kong, instant(2024, 12, 3), instant(2024, 12, 4))
    assert morning == (instant(2024, 12, 3, 1, 30), instant(2024, 12, 3, 4))
    assert afternoon == (instant(2024, 12, 3, 5), instant(2024, 12, 3, 8))


def test_ours_need_no_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    assert (calendar("fx"), calendar("24/7")) == (FX, ALWAYS)
    with pytest.raises(ValueError, match=r"'xnys' .* pip install 'candlewick\[calendars\]'"):
        calendar("xnys")


def test_an_unknown_exchange_is_refused_in_one_line_of_the_settings(monkeypatch):
    monkeypatch.setenv("CANDLEWICK_KAFKA", "broker:9092")
    monkeypatch.setenv("CANDLEWICK_REGISTRY", "http://registry")
    monkeypatch.setenv("CANDLEWICK_SESSIONS", "finnhub:*=lunch")
    with pytest.raises(SettingsError, match=r"CANDLEWICK_SESSIONS: .*'lunch' is no calendar: choose 24/7, fx, or an exchange"):
        read()


def test_the_setting_reaches_the_core(xnys):
    settings = Settings(kafka="broker:9092", registry="http://registry", sessions="finnhub:BINANCE:*=24/7,finnhub:*=xnys,ig:*=fx")
    assert settings.core().sessions == (("finnhub:BINANCE:*", ALWAYS), ("finnhub:*", xnys), ("ig:*", FX))


def test_one_calendar_is_read_once_however_often_it_is_named():
    asked = []
    parse_sessions("a:*=x,b:*=x", lambda name: asked.append(name) or ALWAYS)
    assert asked == ["x"]


def test_silence_of_a_listed_closing_is_market_closed_and_the_feeds_fall_in_it_is_nobodys():
    shut = Listed("test", ((at("10:00"), at("20:00")),))
    core = Driven(config=CoreConfig(timeframes=parse_list("1m"), sessions=(("sim:*", shut),)))
    core.status("00:00", good_from="00:00")
    core.traded("09:30")
    core.status("12:02", good_from="00:00")
    core.status("13:00", state="down", good_until="12:30")
    core.status("14:00", good_from="13:30")
    core.traded("20:10")
    core.status("22:02", good_from="13:30")
    gaps = {(g.cause, g.from_time, g.to_time) for g in {g.gap_id: g for g in core.gaps}.values() if g.to_time != g.from_time}
    assert ("market_closed", at("10:00"), at("20:00")) in gaps
    assert "feed_down" not in {cause for cause, *_ in gaps}


hours = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 40)).map(lambda x: (x[0], x[0] + x[1])), max_size=12)


@given(hours, st.integers(-10, 450), st.integers(0, 200))
def test_every_moment_between_hours_is_closed_and_no_other(opens, start, length):
    listed = Listed("test", between(opens))
    pieces = cut(start, start + length, listed.closed(start, start + length))
    first, last = min((a for a, _ in opens), default=0), max((b for _, b in opens), default=0)
    for moment in range(start, start + length):
        closed = next(c for a, b, c in pieces if a <= moment < b)
        assert closed == (first <= moment < last and not any(a <= moment < b for a, b in opens))
