from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.core import calendar
from producer.hours import parse_hours

STOCKS = "Mon-Fri 04:00-20:00 America/New_York"


def us(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("hours", "at", "is_open"),
    [
        ("24/7", "2026-11-22T12:00", True),
        (STOCKS, "2026-11-24T09:00", True),  # Tuesday 04:00 in New York's winter
        (STOCKS, "2026-11-24T08:59", False),
        (STOCKS, "2026-07-14T08:00", True),  # and in its summer
        (STOCKS, "2026-11-25T01:00", False),  # Tuesday 20:00
        (STOCKS, "2026-11-25T00:59", True),
        (STOCKS, "2026-11-22T18:00", False),  # Sunday
        ("Mon 22:00-02:00 UTC", "2026-11-24T01:59", True),  # it ends on the next day
        ("Mon 22:00-02:00 UTC", "2026-11-23T01:59", False),
        ("Fri-Mon 10:00-11:00 UTC", "2026-11-22T10:30", True),  # the days may go round the week's end
        ("Fri-Mon 10:00-11:00 UTC", "2026-11-24T10:30", False),
        (f"{STOCKS}; Sun 10:00-11:00 UTC", "2026-11-22T10:30", True),
    ],
)
def test_hours_are_those_of_the_zones_wall_clock(hours, at, is_open):
    assert parse_hours(hours).is_open(us(at)) is is_open


@given(st.integers(us("2024-01-01"), us("2028-01-01")))
def test_fx_is_the_week_that_the_processor_knows(at_us):
    closed = bool(calendar.FX.closed(at_us, at_us + 1))
    assert parse_hours("fx").is_open(at_us) is not closed


def test_nothing_said_is_nothing_known():
    assert parse_hours(" ") is None


@pytest.mark.parametrize(
    "text", ["always", "Mon-Fri", "Mon-Fri 04:00-20:00", "Xyz 04:00-20:00 UTC", "Mon 04:00-25:00 UTC", "Mon 04:60-05:00 UTC"]
)
def test_what_are_no_hours_is_refused(text):
    with pytest.raises(ValueError, match="hours"):
        parse_hours(text)


def test_unknown_zone_is_refused():
    with pytest.raises(ValueError, match="Mars/Here is no time zone"):
        parse_hours("Mon 04:00-05:00 Mars/Here")
