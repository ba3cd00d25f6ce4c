"""When freshness is back is told by the last step that is not normal."""

from tests.support.freshness import Sight, Step, normal_again_s, percentile, steps

S = 1_000_000
EVENT = 1_000 * S


def sight(at_s, delay_ms, kind="live"):
    seen = EVENT + round(at_s * S)
    return Sight(kind, seen - delay_ms * 1000, seen)


def test_delays_are_gathered_by_the_step_in_which_they_were_seen():
    sights = [sight(-1.5, 100), sight(-0.1, 300), sight(0.0, 900), sight(1.9, 800), sight(5, 50), sight(5, 7, "final")]
    assert steps(sights, "live", EVENT, 2) == [Step(-2, 2, 300), Step(0, 2, 900), Step(4, 1, 50)]
    assert steps(sights, "final", EVENT, 2) == [Step(4, 1, 7)]


def test_the_99th_percentile_of_few_is_their_largest():
    assert percentile([3, 1, 2], 0.99) == 3
    assert percentile(list(range(1, 201)), 0.99) == 198


def test_normal_again_is_the_end_of_the_last_step_over_the_limit():
    found = [Step(-2, 9, 500), Step(0, 9, 90), Step(2, 9, 800), Step(4, 9, 90), Step(6, 9, 101), Step(8, 9, 90)]
    assert normal_again_s(found, 100, 2) == 8
    assert normal_again_s(found, 1000, 2) == 0
