"""A start that waits for servers: what it says, what ends it."""

import os
import signal
import threading

import pytest
from structlog.testing import capture_logs

from schemas.waiting import AwayError, StoppedError, Waiting, pause_s, until_answered


def answers(*those):
    """Return a question that gets these answers, one after the other; errors are raised."""
    left = iter(those)

    def ask():
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def test_each_change_of_what_is_waited_for_is_one_line():
    kafka, registry, waiting = AwayError("kafka", "refused"), AwayError("registry", "503"), Waiting()
    with capture_logs() as said:
        assert until_answered(answers(kafka, kafka, registry, "all there"), waiting) == "all there"
    told = [(line["event"], line.get("waiting_for") or line["waited_for"]) for line in said]
    assert told == [("start.waiting", "kafka"), ("start.waiting", "registry"), ("start.went_on", "registry")]
    assert waiting == Waiting()


def test_who_is_answered_at_once_says_nothing():
    with capture_logs() as said:
        assert until_answered(answers(7), Waiting()) == 7
    assert said == []


def test_pages_can_see_what_is_waited_for_and_that_it_is_asked():
    waiting, seen = Waiting(), []
    away = AwayError("registry", "no answer")

    def ask():
        seen.append((waiting.asks, waiting.server, waiting.values()))
        if len(seen) == 1:
            raise away

    until_answered(ask, waiting)
    assert seen == [(True, "", {"kafka": 0, "registry": 0}), (True, "registry", {"kafka": 0, "registry": 1})]
    assert waiting.values() == {"kafka": 0, "registry": 0}


def test_what_no_waiting_mends_is_raised_and_not_asked_again():
    with pytest.raises(ValueError, match="refused"):
        until_answered(answers(ValueError("refused"), "never asked"), Waiting())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_within_a_question_and_handlers_are_put_back(number):
    before = signal.getsignal(number)

    def ask():
        os.kill(os.getpid(), number)
        threading.Event().wait(60)

    with pytest.raises(StoppedError):
        until_answered(ask, Waiting())
    assert signal.getsignal(number) is before


def test_a_signal_that_came_before_ends_it_without_a_question():
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        until_answered(answers("never asked"), Waiting(), stop)


def test_pauses_grow_from_a_tenth_of_a_second_to_five():
    assert pause_s(0, 0.0) == pause_s(0, 1.0) == 0.1
    assert [pause_s(n, 1.0) for n in (1, 2, 5, 6, 500)] == [0.2, 0.4, 3.2, 5.0, 5.0]
    assert pause_s(500, 0.0) == 5.0
