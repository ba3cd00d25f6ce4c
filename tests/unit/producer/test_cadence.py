from producer.cadence import Cadence

S = 1_000_000


def test_first_status_is_due_at_once():
    assert Cadence().until_due_s(1_700_000_000 * S, 5.0) == 0.0


def test_status_is_due_with_every_whole_second_of_the_wall_clock():
    cadence = Cadence()
    cadence.said(1000 * S + 250_000, 5.0)
    assert cadence.until_due_s(1000 * S + 500_000, 5.25) == 0.5
    assert cadence.until_due_s(1001 * S, 5.75) == 0.0


def test_status_is_due_once_a_second_while_the_wall_clock_stands_still_because_it_was_set_back():
    cadence = Cadence()
    cadence.said(1000 * S, 5.0)
    assert cadence.until_due_s(1000 * S, 5.75) == 0.25
    assert cadence.until_due_s(1000 * S, 6.0) == 0.0
    cadence.said(1000 * S, 6.0)
    assert cadence.until_due_s(1000 * S, 7.0) == 0.0
