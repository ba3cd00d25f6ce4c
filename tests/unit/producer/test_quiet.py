from itertools import pairwise

from producer.hours import parse_hours
from producer.quiet import RETRY_S, Quiet

S = 1_000_000


def quiet(text="24/7"):
    made = Quiet(parse_hours(text), 300.0)
    made.begin(1000 * S, 1000.0)
    return made


def test_silence_of_all_symbols_is_suspicious_after_its_limit():
    q = quiet()
    q.heard(1100 * S, 1100.0)
    assert not q.is_suspicious(1400.0)
    assert q.is_suspicious(1400.1)
    assert q.silent_since() == 1100 * S


def test_connection_is_renewed_once_and_then_only_after_a_quarter_of_an_hour():
    q = quiet()
    asked = [second for second in range(1000, 4000, 10) if q.is_suspicious(second)]
    assert asked[0] == 1310
    assert [b - a for a, b in pairwise(asked)] == [RETRY_S] * (len(asked) - 1)


def test_record_ends_the_suspicion_and_the_waiting():
    q = quiet()
    assert q.is_suspicious(1301.0)
    q.heard(1310 * S, 1310.0)
    assert not q.is_suspicious(1600.0)
    assert q.is_suspicious(1611.0)


def test_trade_that_is_reported_late_is_no_silence_and_takes_nothing_back_of_what_newer_ones_have_proved():
    q = quiet()
    q.heard(1100 * S, 1100.0)
    q.heard(400 * S, 1101.0)
    assert not q.is_suspicious(1400.0)
    assert q.is_suspicious(1402.0)
    assert q.silent_since() == 1100 * S


def test_feed_that_is_always_late_is_not_silent():
    q = quiet()
    assert not any(q.heard((second - 900) * S, second) or q.is_suspicious(second + 9) for second in range(1000, 5000, 10))


def test_wall_clock_that_is_set_forward_is_no_silence():
    q = quiet()
    q.heard(1100 * S, 1100.0)
    q.begin(9100 * S, 1101.0)
    assert not q.is_suspicious(1102.0)


def test_silence_is_counted_from_when_the_feed_was_good_again():
    q = quiet()
    q.heard(1100 * S, 1100.0)
    q.begin(2000 * S, 2000.0)
    assert not q.is_suspicious(2300.0)
    assert q.silent_since() == 2000 * S


def test_where_nobody_knows_when_records_are_expected_silence_means_nothing():
    q = quiet("")
    assert not q.is_closed(0)
    assert not q.is_suspicious(10.0**9)


def test_feed_that_was_never_good_is_not_judged():
    assert not Quiet(parse_hours("24/7"), 300.0).is_suspicious(10.0**9)


def test_provider_that_says_that_it_is_closed_is_believed():
    told = quiet()
    told.told_closed = True
    assert told.is_closed(1100 * S)
    told.told_closed = False
    assert not told.is_closed(1100 * S)
