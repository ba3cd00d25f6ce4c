from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.history.ig_prices import local_time, read
from producer.history.protocol import UnavailableError, VendorCandle

ONE = Decimal(1)
START = 1_602_535_800_000_000  # 2020-10-12T20:50:00Z


def sides(bid, ask, traded=None):
    return {"bid": bid, "ask": ask, "lastTraded": traded}


def row(at="2020-10-12T20:50:00", **prices):
    both = {
        "openPrice": sides(1.0831, 1.0833),
        "highPrice": sides(1.0841, 1.0844),
        "lowPrice": sides(1.0829, 1.0831),
        "closePrice": sides(1.083, 1.0832),
    }
    return {"snapshotTime": "2020/10/12 21:50:00", "snapshotTimeUTC": at, **both, "lastTradedVolume": 21, **prices}


def reply(*rows, **metadata):
    allowance = {"remainingAllowance": 9990, "totalAllowance": 10_000, "allowanceExpiry": 604_800}
    page = {"pageSize": 20, "pageNumber": 1, "totalPages": 1}
    return {
        "prices": list(rows),
        "instrumentType": "CURRENCIES",
        "metadata": {"allowance": allowance, "pageData": page, **metadata},
    }


def test_mid_is_between_bid_and_ask_and_says_that_it_is_approximate():
    answer = read(reply(row()), "mid", ONE)
    assert answer.candles == (VendorCandle(START, 1.0832, 1.08425, 1.083, 1.0831, approximate=True),)
    assert (answer.remaining, answer.expiry_s, answer.pages, answer.points) == (9990, 604_800, 1, 1)


@pytest.mark.parametrize(("price", "first"), [("bid", 1.0831), ("ask", 1.0833)])
def test_a_side_is_exact(price, first):
    (candle,) = read(reply(row()), price, ONE).candles
    assert (candle.open, candle.approximate, candle.volume) == (first, False, None)


def test_points_are_divided():
    (candle,) = read(reply(row(openPrice=sides(11515.8, 11516.7))), "bid", Decimal(10_000)).candles
    assert candle.open == 1.15158


def test_minute_without_a_side_is_left_out_and_counted():
    answer = read(reply(row(), row("2020-10-12T20:51:00", lowPrice=sides(1.0, None))), "mid", ONE)
    assert (len(answer.candles), answer.one_sided, answer.points) == (1, 1, 2)


def test_local_time_that_jumps_is_not_looked_at_and_order_is_by_time():
    answer = read(reply(row("2020-10-25T01:01:00"), row("2020-10-25T00:59:00"), row("2020-10-25T01:00:00")), "bid", ONE)
    starts = [c.start for c in answer.candles]
    assert starts == sorted(starts)


def test_request_names_the_sessions_local_time():
    assert local_time(START, 0) == "2020-10-12T20:50:00"
    assert local_time(START, 1.0) == "2020-10-12T21:50:00"
    assert local_time(START, -5.5) == "2020-10-12T15:20:00"


def test_reply_without_an_allowance_is_read_without_one():
    answer = read({"prices": [], "metadata": {}}, "mid", ONE)
    assert (answer.candles, answer.remaining, answer.expiry_s) == ((), None, None)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"prices": None, "metadata": {}},
        {"prices": [{}], "metadata": {}},
        reply(row(at="2020/10/12 20:50:00")),
        reply(row(openPrice=sides("1.1", 1.2))),
        reply(row(openPrice=sides(-1.1, 1.2))),
        reply(row(), allowance={"remainingAllowance": "many"}),
        reply(row(), pageData={"totalPages": None}),
    ],
)
def test_anything_else_is_no_usable_reply(broken):
    with pytest.raises(UnavailableError):
        read(broken, "mid", ONE)


KEYS = [
    "prices",
    "metadata",
    "allowance",
    "remainingAllowance",
    "snapshotTimeUTC",
    "openPrice",
    "bid",
    "ask",
    "pageData",
    "totalPages",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda c: st.lists(c, max_size=2) | st.dictionaries(st.sampled_from(KEYS), c, max_size=4),
)


@given(JSON | st.builds(lambda r, **k: reply({**row(), **r}, **k), st.dictionaries(st.sampled_from(list(row())), JSON)))
def test_law_11_totality_any_reply_is_read_or_unusable(anything):
    try:
        answer = read(anything, "mid", ONE)
    except UnavailableError:
        return
    assert all(candle.low is not None and candle.open > 0 for candle in answer.candles)
