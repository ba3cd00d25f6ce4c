from dataclasses import replace

import pytest

from producer.errors import RemoteError
from producer.history.coinbase_pages import PAGE, Place, place_of, read_candles, read_trades, step
from producer.history.protocol import VendorCandle
from schemas.timeframes import SECOND

T = 1_787_628_957_000_000


def rows(numbers, every_us=SECOND):
    """Return rows as the venue gives them, newest first; trade n happened n times `every_us` after T."""
    return [
        {
            "trade_id": n,
            "side": "sell",
            "size": "1.0",
            "price": "10.5",
            "time": f"2026-08-25T{3 + n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z",
        }
        for n in sorted(numbers, reverse=True)
    ]


def page(numbers):
    return read_trades("coinbase", "BTC-USD", rows(numbers), T)[0]


def at(number):
    """Return the time of trade `number`."""
    return page([number])[0].event_time


def ids(found):
    return [t.venue_sequence for t in found.trades]


def test_page_is_read_by_id_flagged_and_on_the_takers_side():
    trades, unusable = read_trades("coinbase", "BTC-USD", [*rows([7, 9, 8]), {"trade_id": 6}, "text", None], T)
    assert [t.trade_id for t in trades] == ["7", "8", "9"]
    assert unusable == 3
    assert {(t.side, t.backfill, t.receive_time, t.venue_sequence) for t in trades[:1]} == {("buy", True, T, 7)}


@pytest.mark.parametrize("body", [None, {}, "rows", 7])
def test_page_that_is_no_list_is_the_peers_error(body):
    with pytest.raises(RemoteError):
        read_trades("coinbase", "BTC-USD", body, T)
    with pytest.raises(RemoteError):
        read_candles(body)


def test_hole_within_the_newest_page_needs_one_page():
    found = step(page(range(1, 60)), Place(), at(10), at(14))
    assert (ids(found), found.rest, found.missing) == ([10, 11, 12, 13, 14], None, "")


def test_hole_that_begins_before_the_page_goes_on_below_it():
    found = step(page(range(20, 60)), Place(), at(10), at(22))
    assert ids(found) == [20, 21, 22]
    assert found.rest == Place(20, is_found=True)
    found = step(page(range(5, 20)), found.rest, at(10), at(22))
    assert (ids(found), found.rest) == (list(range(10, 20)), None)


def test_hole_without_a_trade_is_at_its_end_with_nothing():
    found = step(page([1, 50]), Place(1000, is_found=True), at(10), at(14))
    assert (found.trades, found.rest) == ((), None)


def test_quiet_product_without_any_trade_has_nothing_missing():
    assert step([], Place(), at(10), at(14)) == step([], Place(7, is_found=True), at(10), at(14))
    assert step([], Place(), at(10), at(14)).rest is None


def test_hole_far_back_is_guessed_by_the_pace_of_the_newest_page():
    found = step(page(range(9_000, 10_000)), Place(), at(100), at(200))
    assert found.trades == ()
    assert found.rest == Place(200, high=9000)


def test_guess_that_went_too_far_back_is_followed_by_halves_and_then_by_one_page():
    place = Place(3000, high=9000)
    found = step(page(range(2000, 3000)), place, at(4500), at(4600))
    assert found.rest == Place(5999, low=2999, high=9000)
    found = step(page(range(4999, 5999)), found.rest, at(4500), at(4600))
    assert found.rest == Place(3999, low=2999, high=4999)
    found = step(page(range(2999, 3999)), found.rest, at(4500), at(4600))
    assert found.rest == Place(4999, low=3998, high=4999, is_found=True)


def test_trade_out_of_order_within_the_part_is_taken_with_it():
    first, last = page([9, 11])
    between = replace(page([10])[0], event_time=at(60))
    assert ids(step([first, between, last], Place(), at(9), at(11))) == [9, 10, 11]


def test_ids_that_the_venue_itself_leaves_out_are_told():
    found = step(page([1, 10, 11, 14, 15, 50]), Place(), at(10), at(15))
    assert found.missing.endswith("leave out the ids 2 to 9")
    found = step(page([1, 2]), Place(5, is_found=True), at(1), at(15))
    assert found.missing.endswith("leave out the ids 3 to 4")


@pytest.mark.parametrize("place", [Place(), Place(5), Place(5, low=2, high=9), Place(5, 0, None, is_found=True)])
def test_place_survives_as_a_cursor(place):
    assert place_of(str(place)) == place


@pytest.mark.parametrize("cursor", ["", "trades", "candles:1:2:3:4"])
def test_other_cursors_mean_the_beginning(cursor):
    assert place_of(cursor) == Place()


def test_candles_are_low_before_high_before_open():
    assert read_candles([[1787628960, 1, 4.5, 2, 3.25, 10]]) == (VendorCandle(1_787_628_960_000_000, 2.0, 4.5, 1.0, 3.25, 10.0),)


@pytest.mark.parametrize("row", [None, [], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, None], ["1"] * 6, [float("nan")] * 6, [10**400] * 6])
def test_row_that_is_none_becomes_a_candle_that_is_dropped(row):
    assert read_candles([row])[0].start == -1


def test_largest_page_is_the_providers():
    assert PAGE == 1000
