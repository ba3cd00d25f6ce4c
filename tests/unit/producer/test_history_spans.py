from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producer.history.spans import length, newest_first, united, windows_over, without

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)
M = 60_000_000


def moments(spans):
    return {t for start, end in spans for t in range(start, end)}


@given(SPANS)
def test_union_holds_the_same_moments_in_order_and_apart(spans):
    whole = united(spans)
    assert moments(whole) == moments(spans)
    assert length(whole) == len(moments(spans))
    assert all(a[1] < b[0] for a, b in pairwise(whole))


@given(st.tuples(st.integers(0, 40), st.integers(0, 40)), SPANS)
def test_what_is_left_is_what_was_wanted_and_is_not_there(wanted, spans):
    left = without(wanted, spans)
    assert moments(left) == moments([wanted]) - moments(spans)
    assert left == united(left)


@given(SPANS, st.integers(1, 9))
def test_pieces_are_short_and_go_from_new_to_old(spans, longest):
    pieces = newest_first(united(spans), longest)
    assert moments(pieces) == moments(spans)
    assert all(0 < end - start <= longest for start, end in pieces)
    assert pieces == sorted(pieces, reverse=True)


def test_windows_over_a_gap_are_whole_minutes():
    assert windows_over(M + 1, 2 * M) == (M, 2 * M)
    assert windows_over(M, 2 * M + 1) == (M, 3 * M)
    assert windows_over(M, M) == (M, 2 * M)
