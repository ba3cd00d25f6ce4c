"""Finnhub's candle replies: what they say, what damaged ones do, and what never leaves the client."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.history.finnhub_candles import AROUND_US, RECENT_US, kind_of, page_of, parse, span_of
from producer.history.protocol import Page, Question, UnavailableError, VendorCandle
from schemas.records import Gap

S = 1_000_000
M = 60 * S
T = 1_700_000_040 * S
GAP = Gap("g", "finnhub:X", "finnhub", "X", "trade", T, T + 3 * M, "feed_down", state="closed")
QUESTION = Question("X", T, T + 3 * M, gap=GAP)
LATER = T + RECENT_US + 10 * M
OK = {"c": [1.5, 2], "h": [2.0, 2], "l": [0.5, 2], "o": [1.0, 2], "s": "ok", "t": [T // S, T // S + 60], "v": [10.5, 3]}


def at(*minutes):
    return [VendorCandle(T + minute * M, 1.0, 1.0, 1.0, 1.0, 1.0) for minute in minutes]


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [("AAPL", "stock"), ("BINANCE:BTCUSDT", "crypto"), ("OANDA:EUR_USD", "forex"), ("IC MARKETS:1", "forex"), ("BRK.B", "stock")],
)
def test_address_follows_from_the_symbols_exchange(symbol, kind):
    assert kind_of(symbol) == kind


def test_columns_become_candles():
    assert parse(OK, "stock") == [
        VendorCandle(T, 1.0, 2.0, 0.5, 1.5, 10.5),
        VendorCandle(T + M, 2, 2, 2, 2, 3),
    ]


def test_volume_of_forex_counts_quotes_and_is_no_volume():
    assert [candle.volume for candle in parse(OK, "forex")] == [None, None]


@pytest.mark.parametrize("reply", [{"s": "no_data"}, {**dict.fromkeys("chlotv"), "s": "no_data"}])
def test_both_shapes_of_no_data_are_empty(reply):
    assert parse(reply, "stock") == []


@pytest.mark.parametrize(
    "change",
    [{"s": "error"}, {"t": None}, {"c": [1.0]}, {"v": [1, "x"]}, {"t": [1.5, 2.5]}, {"o": [True, 2]}, {"h": [10**400, 2]}],
)
def test_reply_that_is_not_as_documented_is_unavailable(change):
    with pytest.raises(UnavailableError):
        parse({**OK, **change}, "stock")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.dictionaries(st.sampled_from("tohlcv"), JSON, max_size=6).map(lambda d: {**OK, **d}))
def test_law_11_any_reply_gives_candles_or_a_documented_error(reply):
    try:
        candles = parse(reply, "stock")
    except UnavailableError:
        return
    page = page_of(candles, QUESTION, LATER)
    assert page.rest is None or page.rest.start < page.rest.end < QUESTION.end


def test_request_looks_around_the_gap_but_not_into_the_future():
    assert span_of(QUESTION, LATER) == ((T - AROUND_US) // S, LATER // S)
    assert span_of(QUESTION, T + 9 * AROUND_US)[1] == (T + 3 * M + AROUND_US) // S


def test_reply_that_holds_the_time_before_is_answered_to_its_end():
    page = page_of(at(-5, 0, 2, 3), QUESTION, LATER)
    assert (page.rest, page.doubt, page.missing) == (None, "", "")
    assert [c.start for c in page.candles] == [T - 5 * M, T, T + 2 * M]


def test_reply_that_begins_later_than_asked_is_asked_for_its_older_part():
    page = page_of(at(2, 3), QUESTION, LATER)
    assert page.rest == replace(QUESTION, end=T + 2 * M)
    assert page_of(at(1, 2, 3), page.rest, LATER).rest == replace(QUESTION, end=T + M)


def test_nothing_older_is_believed_when_what_is_known_comes_with_it_and_else_doubted():
    older = page_of(at(2, 3), QUESTION, LATER).rest
    assert page_of(at(2, 3), older, LATER) == Page()
    assert page_of([], older, LATER).doubt == "no data"


def test_empty_reply_is_doubted_and_then_no_data():
    assert page_of([], QUESTION, LATER) == Page(doubt="no data", missing="the provider has no data of that time")


def test_empty_minutes_before_others_had_no_trade():
    assert page_of(at(4, 9), QUESTION, LATER) == Page()


def test_newest_window_that_is_not_there_yet_is_doubted_for_a_while():
    assert page_of(at(-1, 0), QUESTION, T + 4 * M).doubt
    assert not page_of(at(-1, 0), QUESTION, LATER + RECENT_US).doubt
    assert not page_of(at(-1, 0, 2), QUESTION, T + 4 * M).doubt
    assert not page_of(at(-1, 0), replace(QUESTION, gap=None), T + 4 * M).doubt
