import pytest

from producer.backoff import Backoff, retry_after_s


def test_ceiling_doubles_up_to_the_longest_wait():
    backoff = Backoff(60.0)
    waits = [backoff.after_failure(0.999999) for _ in range(12)]
    assert waits == pytest.approx([0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60, 60, 60, 60], rel=1e-4)


def test_jitter_is_full_and_never_below_a_tenth_of_a_second():
    backoff = Backoff(60.0)
    assert {backoff.after_failure(0.0) for _ in range(50)} == {0.1}


def test_count_starts_anew_only_after_a_minute_of_being_live():
    backoff = Backoff(60.0)
    for _ in range(5):
        backoff.after_failure(0.5)
        backoff.was_live(59.9)
    assert backoff.attempts == 5
    backoff.was_live(60.0)
    assert backoff.attempts == 0


def test_wrong_key_is_asked_again_every_five_minutes():
    backoff = Backoff(60.0)
    assert [backoff.after_refusal() for _ in range(3)] == [300.0] * 3


def test_busy_provider_is_obeyed_or_left_alone_for_longer_and_longer():
    backoff = Backoff(60.0)
    assert backoff.after_busy(7.0) == 7.0
    assert [backoff.after_busy(None) for _ in range(6)] == [60, 120, 240, 480, 900, 900]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("99999999", 86_400.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 60.0),
        ("Wednesday, 21-Oct-26 07:29:00 GMT", 120.0),
        ("Wed Oct 21 07:28:00 2026", 60.0),
        ("Thu, 21 Oct 2027 07:28:00 GMT", 86_400.0),
        ("Wed, 21 Oct 2026 07:26:59 GMT", None),
        ("Wed, 99 Oct 2026 07:26:59 GMT", None),
        ("Wed, 21 Oct 99999 07:26:59 GMT", None),
        ("soon", None),
        (None, None),
        ("", None),
        ("-1", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_that_is_still_to_come(header, seconds):
    assert retry_after_s(header, 1_792_567_620_000_000) == seconds  # 2026-10-21 07:27:00
