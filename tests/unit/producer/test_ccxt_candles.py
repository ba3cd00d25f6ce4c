"""What an exchange's rows say of a question: exchanges that give few, the newest, or none."""

import pytest

from producer.history.ccxt_candles import AROUND_US, GOES_ON, LONGEST_US, NOT_SO_FAR, RECENT_US, ROWS, page_of, since_of
from producer.history.protocol import Question, VendorCandle

M = 60_000_000
T = 1_700_000_040_000_000  # a whole minute
NOW = T + 30 * 1440 * M
QUESTION = Question("BTC/USD", T, T + LONGEST_US)


def exchange(minutes, most=ROWS, newest_only=False):
    """Return what fetches rows: of the `minutes` that have one, at most `most` since the one asked for."""

    def fetch(since_us):
        found = [m for m in minutes if T + m * M >= since_us]
        found = found[-most:] if newest_only else found[:most]
        return [VendorCandle(T + m * M, 1.0, 1.0, 1.0, 1.0) for m in found[:ROWS]]

    return fetch


def answer(fetch, question=QUESTION, now=NOW):
    """Ask until nothing is left; return the minutes that came, what is missing, and how many requests that took."""
    came, missing, left, requests = set(), "", question, 0
    while left is not None:
        page = page_of(fetch(since_of(left)), left, now)
        came |= {(c.start - T) // M for c in page.candles if question.start <= c.start < question.end}
        missing, left, requests = page.missing or missing, page.rest, requests + 1
        assert requests <= 100
    return came, missing, requests


EVERY = range(-500, 2000)


def test_liquid_symbol_of_a_usual_exchange_takes_one_request():
    assert answer(exchange(EVERY)) == (set(range(240)), "", 1)


@pytest.mark.parametrize(("most", "requests"), [(200, 2), (100, 3), (60, 5), (30, 9)])
def test_exchange_that_gives_fewer_rows_than_asked_for_is_asked_on(most, requests):
    assert answer(exchange(EVERY, most)) == (set(range(240)), "", requests)


def test_minutes_left_out_between_known_ones_had_no_trades():
    traded = [-7, 3, 4, 90, 500]
    assert answer(exchange(traded))[:2] == ({3, 4, 90}, "")


def test_exchange_that_gives_its_newest_rows_whatever_was_asked_has_nothing_of_then():
    came, missing, _ = answer(exchange(range(-500, 30 * 1440), most=720, newest_only=True))
    assert (came, missing) == (set(), NOT_SO_FAR)


def test_question_in_which_an_exchanges_rows_begin_is_answered_in_part():
    came, missing, _ = answer(exchange(range(100, 820)))
    assert (came, missing) == (set(range(100, 240)), NOT_SO_FAR)


def test_exchange_without_a_row_says_nothing_of_long_ago_and_no_trade_of_now():
    assert answer(exchange([])) == (set(), NOT_SO_FAR, 1)
    assert answer(exchange([]), now=T + RECENT_US) == (set(), "", 1)


def test_hour_before_is_asked_with_the_beginning_alone():
    assert since_of(QUESTION) == T - AROUND_US
    assert since_of(Question("BTC/USD", T, T + M, cursor=GOES_ON)) == T


def test_row_that_is_none_decides_nothing():
    assert page_of([VendorCandle(-1, 0.0, 0.0, 0.0, 0.0)], QUESTION, NOW).missing == NOT_SO_FAR
