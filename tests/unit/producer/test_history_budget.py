from hypothesis import given
from hypothesis import strategies as st

from producer.history.budget import BUSY_S, LOW_SHARE, Budget
from producer.history.protocol import Limit

LIMITS = st.lists(st.builds(Limit, st.integers(1, 12), st.sampled_from([1.0, 10.0, 60.0])), min_size=1, max_size=3)


@given(LIMITS, st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=80))
def test_no_stretch_of_time_holds_more_requests_than_allowed(limits, asks):
    budget, now, made = Budget(limits), 0.0, []
    for pause, low in asks:
        now += pause
        now += budget.wait_s(now, low=low)
        now += budget.wait_s(now, low=low)  # what is left of a float's rounding
        budget.made(now)
        made.append(now)
    for limit in limits:
        for first in made:
            assert sum(1 for at in made if first <= at < first + limit.seconds - 1e-6) <= limit.requests


def test_what_can_wait_leaves_a_quarter_for_what_cannot():
    budget = Budget([Limit(8, 60.0)])
    for _ in range(6):
        assert budget.wait_s(0.0, low=True) == 0.0
        budget.made(0.0)
    assert budget.wait_s(1.0, low=True) == 59.0
    assert budget.wait_s(1.0) == 0.0
    assert 0 < LOW_SHARE < 1


def test_busy_provider_is_left_alone_as_long_as_it_says_else_a_minute_doubling():
    budget = Budget([Limit(10, 1.0)])
    budget.busy(0.0, 7.0)
    assert budget.wait_s(0.0) == 7.0
    budget.busy(0.0, 5000.0)
    assert budget.wait_s(0.0) == 5000.0
    budget.answered()
    for wait_s in (BUSY_S, 2 * BUSY_S):
        budget.busy(100.0, None)
        assert budget.wait_s(100.0) == wait_s


def test_provider_that_does_not_answer_is_asked_less_and_less_until_it_does():
    budget = Budget([Limit(10, 1.0)])
    waits = []
    for _ in range(8):
        budget.failed(0.0)
        waits.append(budget.wait_s(0.0))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    budget.answered()
    budget.failed(0.0)
    assert budget.wait_s(0.0) == 1
