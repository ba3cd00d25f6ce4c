import pytest

from processor.pulse import LIVE_SHARE, STRETCH_MAX, Pulse, parse_periods
from schemas.timeframes import parse_list


def run(pulse, seconds, per_tick, tick=0.05):
    """Tick for some seconds; every time the base is due, `per_tick` candles are sent. Returns the candles a second."""
    sent = 0
    for n in range(round(seconds / tick)):
        if 0 in pulse.due(n * tick):
            pulse.sent(per_tick)
            sent += per_tick
    return sent / seconds


def test_within_the_budget_the_base_comes_every_period_and_parents_less_often():
    pulse = Pulse(parse_list("1m,5m,1h"), 0.25, 1000)
    counts = [0, 0, 0]
    for n in range(161):
        for i in pulse.due(n * 0.05):
            counts[i] += 1
    assert counts == [pytest.approx(33, abs=1), pytest.approx(9, abs=1), pytest.approx(5, abs=1)]
    assert pulse.stretch == 1.0


def test_being_asked_late_makes_no_period_longer_and_what_was_missed_is_not_made_up_for():
    pulse = Pulse(parse_list("1m"), 0.25, 1000)
    asked = [10.0, 10.26, 10.51, 11.3, 11.4, 11.56]
    assert [bool(pulse.due(now)) for now in asked] == [True, True, True, True, False, True]
    assert pulse.due_in(11.56) == pytest.approx(0.24)


def test_above_the_budget_the_period_stretches_until_the_rate_fits():
    pulse = Pulse(parse_list("1m"), 0.25, 1000)
    run(pulse, 30, per_tick=2000)
    assert pulse.stretch == pytest.approx(8, rel=0.3)
    assert run(Pulse(parse_list("1m"), 0.25, 1000), 120, per_tick=2000) < 1300


def test_the_stretch_ends_with_the_load():
    pulse = Pulse(parse_list("1m"), 0.25, 1000)
    run(pulse, 30, per_tick=2000)
    for n in range(1200):
        if 0 in pulse.due(100 + n * 0.05):
            pulse.sent(10)
    assert pulse.stretch == 1.0


def test_the_stretch_has_a_limit():
    pulse = Pulse(parse_list("1m"), 0.25, 1)
    run(pulse, 300, per_tick=1_000_000)
    assert pulse.stretch == STRETCH_MAX


def test_the_next_period_is_known_before_it_is_over():
    pulse = Pulse(parse_list("1m,5m"), 0.25, 1000)
    assert pulse.due_in(10.0) == 0.0
    pulse.due(10.0)
    assert pulse.due_in(10.0) == pytest.approx(0.25)
    assert pulse.due_in(10.2) == pytest.approx(0.05)
    assert pulse.due_in(11.0) == 0.0


def test_a_slow_machine_makes_live_candles_less_often_whatever_the_budget():
    pulse = Pulse(parse_list("1m"), 0.25, 1_000_000)
    for n in range(600):
        if 0 in pulse.due(n * 0.05):
            pulse.sent(1000, took_s=0.25)  # all of its time, at the period that is set
    assert pulse.stretch == pytest.approx(1 / LIVE_SHARE, rel=0.25)


def test_a_timeframe_may_have_a_period_of_its_own():
    pulse = Pulse(parse_list("1m,5m,1h"), 0.25, 1000, parse_periods("5m=500, 1h=10000"))
    due = [(tick / 4, pulse.due(tick / 4)) for tick in range(1, 81)]
    assert [sum(i in found for _, found in due) for i in range(3)] == [80, 40, 2]


@pytest.mark.parametrize("text", ["5m", "5m=", "5m=0", "5m=fast", "7x=500", "5m=700000"])
def test_what_is_no_period_is_refused(text):
    with pytest.raises(ValueError, match=r"timeframe"):
        parse_periods(text)
