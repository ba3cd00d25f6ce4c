from itertools import pairwise

from producer.hours import parse_hours
from producer.quiet import RETRY_US, Quiet

S = 1_000_000


def quiet(text="24/7"):
    made = Quiet(parse_hours(text), 300 * S)
    made.begin(1000 * S)
    return made


def test_silence_of_all_symbols_is_suspicious_after_its_limit():
    q = quiet()
    q.heard(1100 * S)
    assert not q.is_suspicious(1400 * S)
    assert q.is_suspicious(1400 * S + 1)
    assert q.silent_since() == 1100 * S


def test_connection_is_renewed_once_and_then_only_after_a_quarter_of_an_hour():
    q = quiet()
    asked = [second for second in range(1000, 4000, 10) if q.is_suspicious(second * S)]
    assert asked[0] == 1310
    assert [b - a for a, b in pairwise(asked)] == [RETRY_US // S] * (len(asked) - 1)


def test_record_ends_the_suspicion_and_the_waiting():
    q = quiet()
    assert q.is_suspicious(1301 * S)
    q.heard(1310 * S)
    assert not q.is_suspicious(1600 * S)
    assert q.is_suspicious(1611 * S)


def test_silence_is_counted_from_when_the_feed_was_good_again():
    q = quiet()
    q.heard(1100 * S)
    q.begin(2000 * S)
    assert not q.is_suspicious(2300 * S)
    assert q.silent_since() == 2000 * S


def test_where_nobody_knows_when_records_are_expected_silence_means_nothing():
    q = quiet("")
    assert not q.is_closed(0)
    assert not q.is_suspicious(10**9 * S)


def test_feed_that_was_never_good_is_not_judged():
    assert not Quiet(parse_hours("24/7"), 300 * S).is_suspicious(10**9 * S)


def test_provider_that_says_that_it_is_closed_is_believed():
    told = quiet()
    told.told_closed = True
    assert told.is_closed(1100 * S)
    told.told_closed = False
    assert not told.is_closed(1100 * S)
