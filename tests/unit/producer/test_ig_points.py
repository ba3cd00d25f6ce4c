import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.history.ig_points import Caps, Points, minutes, restored
from schemas.timeframes import DAY, MINUTE, SECOND

NOW = 20_000 * DAY + 10 * 3600 * SECOND
CAPS = Caps(gaps_a_day=1400, bootstrap_a_week=3000)


def test_first_request_of_a_week_asks_for_the_least():
    points = Points()
    assert points.available(CAPS, NOW, bootstrap=False) == 1
    points.answered(1, 9_999, 604_800, NOW, bootstrap=False)
    assert points.available(CAPS, NOW, bootstrap=False) == 1399
    assert points.available(CAPS, NOW, bootstrap=True) == 3000


def test_what_is_left_bounds_both():
    points = Points()
    points.answered(1, 12, 604_800, NOW, bootstrap=False)
    assert points.available(CAPS, NOW, bootstrap=True) == points.available(CAPS, NOW, bootstrap=False) == 12


def test_gaps_have_a_days_share_and_get_a_new_one_the_next_day():
    points = Points()
    points.answered(1400, 8_600, 604_800, NOW, bootstrap=False)
    assert points.available(CAPS, NOW, bootstrap=False) == 0
    assert points.retry_at(NOW, bootstrap=False) == 20_001 * DAY
    assert points.available(CAPS, 20_001 * DAY, bootstrap=False) == 1400


def test_refusal_ends_the_week_until_it_is_over():
    points = Points()
    points.answered(1, 9_999, 3600, NOW, bootstrap=False)
    points.spent(NOW + SECOND)
    assert points.available(CAPS, NOW + 2 * SECOND, bootstrap=True) == 0
    assert points.retry_at(NOW + 2 * SECOND, bootstrap=False) == NOW + 3600 * SECOND
    assert points.available(CAPS, NOW + 3600 * SECOND, bootstrap=True) == 1


def test_refusal_without_a_known_end_is_tried_again_a_day_later():
    points = Points()
    points.spent(NOW)
    assert points.retry_at(NOW, bootstrap=True) == NOW + DAY
    assert points.available(CAPS, NOW + DAY, bootstrap=True) == 1


def test_answer_without_an_allowance_is_counted_at_its_price():
    points = Points()
    points.answered(1, 100, 604_800, NOW, bootstrap=True)
    points.answered(30, None, None, NOW, bootstrap=True)
    assert points.remaining == 70


def test_what_is_kept_is_the_same_afterwards():
    points = Points()
    points.answered(30, 500, 604_800, NOW, bootstrap=False)
    assert restored(json.loads(json.dumps(points.as_dict()))) == points


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda c: st.dictionaries(st.sampled_from(list(Points().as_dict())), c))
)
def test_anything_else_that_is_kept_is_nothing_known(kept):
    points = restored(kept)
    assert points.remaining is None or points.remaining >= 0
    assert points.available(CAPS, NOW, bootstrap=False) >= 0


@pytest.mark.parametrize(("start", "end", "cost"), [(0, MINUTE, 1), (0, 60 * MINUTE, 60), (MINUTE, 0, 0)])
def test_a_point_a_minute(start, end, cost):
    assert minutes(start, end) == cost
