import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.timeframes import SECOND
from sink.overrides import Retention, checked, fits
from sink.retention import LONGEST_S


def test_an_override_goes_before_the_default_and_zero_is_for_ever():
    retention = Retention({"1m": 60}, {("sim:X", "1m"): 0, ("sim:Y", "1m"): 120})
    assert retention.expires_us("1m", 0, "sim:X") is None
    assert retention.expires_us("1m", 0, "sim:Y") == 120 * SECOND
    assert retention.expires_us("1m", 0, "sim:Z") == 60 * SECOND


def test_an_override_of_one_timeframe_leaves_the_others():
    retention = Retention({"1m": 60, "5m": 70}, {("sim:*", "1m"): 120})
    assert (retention.keep_s("1m", "sim:X"), retention.keep_s("5m", "sim:X")) == (120, 70)


@pytest.mark.parametrize(
    ("series", "days"), [("ig:EURUSD@mid", 60), ("ig:EURUSD@bid", 90), ("ig:USDTRY@mid", 14), ("coinbase:BTC-USD", 30)]
)
def test_the_pattern_that_says_most_wins(series, days):
    overrides = {("ig:*", "1m"): 14, ("ig:EURUSD*", "1m"): 60, ("ig:EURUSD@bid", "1m"): 90}
    for order in (overrides, dict(reversed(overrides.items()))):
        assert Retention({"1m": 30}, order).keep_s("1m", series) == days


def test_of_patterns_that_say_equally_much_the_first_in_the_alphabet_wins():
    overrides = {("*:X", "1m"): 2, ("s:*", "1m"): 3}
    for order in (overrides, dict(reversed(overrides.items()))):
        assert Retention({"1m": 1}, order).keep_s("1m", "s:X") == 2


def test_only_the_star_is_special():
    assert fits("a:[b].?", "a:[b].?")
    assert not fits("a:?", "a:b")
    assert not fits("a:b", "a:bc")
    assert fits("*b*", "a:b c\nd")


@given(st.text(max_size=8), st.lists(st.integers(0, 8), max_size=3))
def test_a_series_fits_itself_with_any_of_it_starred(series, places):
    assert fits(series.replace("*", "x"), series.replace("*", "x"))
    starred = series
    for place in places:
        starred = starred[:place] + "*" + starred[place + 1 :]
    assert fits(starred, series)


def test_what_is_no_number_of_seconds_has_no_effect_and_is_said():
    good, bad = checked([("a", "1m", 5), ("b", "1m", None), ("c", "1m", -1), ("d", "1m", LONGEST_S + 1), ("e", "1m", 0)])
    assert good == {("a", "1m"): 5, ("e", "1m"): 0}
    assert [text.split(":")[0] for text in bad] == ["b 1m", "c 1m", "d 1m"]
