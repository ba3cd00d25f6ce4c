import pytest

from producer.sources.coinbase_ids import SWAP_US, Ranges, Skipped, TradeIds

S = 1_000_000


def ids(*numbers):
    """Return ids that came at their own second, received at once."""
    made = TradeIds()
    for number in numbers:
        assert made.take(number, number * S, 0)
    return made


def test_ranges_know_what_was_added_once():
    ranges = Ranges()
    assert [ranges.add(n) for n in (5, 7, 6, 6, 1, 5)] == [True, True, True, False, True, False]
    assert [n in ranges for n in (0, 1, 2, 4, 5, 6, 7, 8)] == [False, True, False, False, True, True, True, False]
    assert len(ranges) == 2


def test_ranges_forget_the_lowest_when_there_are_too_many():
    ranges = Ranges(most=2)
    for number in (1, 3, 5):
        ranges.add(number)
    assert [n in ranges for n in (1, 3, 5)] == [False, True, True]


def test_trade_behind_which_we_began_stays_not_ours_but_for_who_fills_the_first_minute():
    known = TradeIds()
    known.begin_at(100, 5 * S)
    assert not known.take(100, 5 * S, S)
    assert known.claim(100, 5 * S)
    assert not known.claim(100, 5 * S)
    assert not known.take(100, 5 * S, S)
    assert known.take(101, 6 * S, S)
    assert known.judge(2 * SWAP_US) == []


def test_venue_that_counts_anew_is_followed_and_no_trade_of_it_passes_for_a_repeat():
    known = ids(500, 501, 503)
    assert known.take(500, 506 * S, 0)
    assert known.judge(0) == [Skipped(502, 502, 501 * S, 503 * S), Skipped(500, 499, 503 * S, 506 * S)]
    assert [known.take(n, (n + 6) * S, 0) for n in (501, 502, 503, 505)] == [True] * 4
    assert known.judge(SWAP_US) == [Skipped(504, 504, 509 * S, 511 * S)]
    assert Skipped(500, 499, 0, 0).missing is None


def test_number_far_too_high_does_not_end_the_proof():
    known = ids(500)
    known.told_newest(2**62, 501 * S, 0)
    known.judge(SWAP_US)
    assert known.take(501, 502 * S, SWAP_US)  # perhaps it only came late
    assert known.take(505, 505 * S, SWAP_US)
    assert known.take(507, 507 * S, SWAP_US)
    assert [(s.first, s.last) for s in known.judge(3 * SWAP_US)] == [(505, 504), (506, 506)]


def test_late_trade_of_before_the_newest_is_not_taken_for_another_count():
    known = ids(500, 503)
    known.judge(SWAP_US)
    assert known.take(502, 503 * S + SWAP_US, SWAP_US)
    assert known.newest == 503


def test_skipped_ids_are_told_once_between_their_neighbours():
    known = ids(7, 8, 12)
    assert known.judge(SWAP_US - 1) == []
    assert known.judge(SWAP_US) == [Skipped(9, 11, 8 * S, 12 * S)]
    assert known.judge(SWAP_US) == []
    assert Skipped(9, 11, 0, 0).missing == 3


@pytest.mark.parametrize("order", [(7, 9, 8), (7, 10, 9, 8), (7, 10, 8, 9)])
def test_neighbours_that_change_places_are_no_loss(order):
    assert ids(*order).judge(SWAP_US) == []


def test_what_comes_late_parts_a_hole():
    assert ids(7, 12, 9).judge(SWAP_US) == [Skipped(8, 8, 7 * S, 9 * S), Skipped(10, 11, 9 * S, 12 * S)]


def test_what_was_fetched_before_the_judgement_is_not_missing():
    known = ids(7, 10)
    assert known.claim(8, 8 * S)
    assert known.judge(SWAP_US) == [Skipped(9, 9, 8 * S, 10 * S)]
    assert not known.claim(8, 8 * S)
    assert not known.take(8, 8 * S, 0)


def test_late_id_after_the_judgement_is_still_new():
    known = ids(7, 9)
    known.judge(SWAP_US)
    assert known.take(8, 8 * S, SWAP_US)
    assert known.judge(2 * SWAP_US) == []


def test_borders_are_in_order_also_where_times_are_not():
    known = TradeIds()
    known.take(1, 10 * S, 0)
    known.take(4, 9 * S, 0)
    assert known.judge(SWAP_US) == [Skipped(2, 3, 9 * S, 10 * S)]


def test_venue_that_has_traded_further_shows_a_loss_at_the_tail():
    known = ids(7)
    known.told_newest(9, 20 * S, 0)
    known.told_newest(10, 21 * S, S)
    assert known.judge(SWAP_US) == [Skipped(8, 9, 7 * S, 20 * S)]
    assert known.newest == 9
    known.take(10, 21 * S, SWAP_US)
    assert known.judge(2 * SWAP_US) == []


def test_tail_that_arrives_in_time_is_no_loss():
    known = ids(7)
    known.told_newest(9, 20 * S, 0)
    known.take(8, 19 * S, 1)
    known.take(9, 20 * S, 2)
    assert known.judge(SWAP_US) == []


def test_tail_of_which_a_part_arrives_is_missing_the_rest():
    known = ids(7)
    known.told_newest(9, 20 * S, 0)
    known.take(8, 19 * S, 1)
    assert known.judge(SWAP_US) == [Skipped(9, 9, 19 * S, 20 * S)]


def test_hole_behind_a_told_tail_is_judged_since_the_telling():
    known = ids(7)
    known.told_newest(9, 20 * S, 0)
    known.take(11, 21 * S, S)
    assert known.judge(SWAP_US) == [Skipped(8, 10, 7 * S, 21 * S)]


def test_trade_before_our_time_begins_the_count_and_is_not_known():
    known = TradeIds()
    known.begin_at(7, 7 * S)
    assert known.take(8, 8 * S, 0)
    known.begin_at(99, 99 * S)  # a later connection's seam moves nothing
    assert known.take(9, 9 * S, 0)
    assert known.judge(SWAP_US) == []
    assert known.claim(7, 7 * S)


def test_count_without_a_beginning_has_no_loss_before_its_first():
    known = TradeIds()
    known.told_newest(50, 5 * S, 0)
    known.take(60, 6 * S, 0)
    assert known.judge(SWAP_US) == []
