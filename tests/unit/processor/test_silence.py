from types import SimpleNamespace

import pytest

from processor.silence import AGAIN_S, Silences

LIMIT_S = 5.0


class Partitions:
    """One partition that hears one source."""

    def __init__(self):
        self.feed = SimpleNamespace(offset=0, state="live")
        self.partition = SimpleNamespace(waiting=[], feeds={"sim": self.feed}, caught_up=True)

    def hear(self, state="live"):
        self.feed.offset += 1
        self.feed.state = state

    def items(self):
        return [(3, self.partition)]


@pytest.fixture
def heard():
    return Partitions()


@pytest.fixture
def silences(heard):
    made = Silences(LIMIT_S)
    assert made.look(heard, 100.0) == []
    return made


def test_a_source_that_speaks_is_not_silent(heard, silences):
    for second in range(1, 20):
        heard.hear()
        assert silences.look(heard, 100.0 + second) == []


def test_silence_of_the_limit_is_declared_once_a_second(heard, silences):
    assert silences.look(heard, 100.0 + LIMIT_S - 0.1) == []
    assert silences.look(heard, 100.0 + LIMIT_S) == [(3, "sim")]
    assert silences.look(heard, 100.0 + LIMIT_S + AGAIN_S / 2) == []
    assert silences.look(heard, 100.0 + LIMIT_S + AGAIN_S) == [(3, "sim")]


def test_what_was_written_for_it_does_not_count_as_speaking(heard, silences):
    assert silences.look(heard, 105.0) == [(3, "sim")]
    heard.hear("producer_down")
    assert silences.look(heard, 106.0) == [(3, "sim")]
    heard.hear("live")
    assert silences.look(heard, 107.0) == []
    assert silences.look(heard, 111.9) == []
    assert silences.look(heard, 112.0) == [(3, "sim")]


def test_a_status_that_waits_for_its_records_is_no_silence(heard, silences):
    heard.partition.waiting = [(9, SimpleNamespace(source="sim"))]
    assert silences.look(heard, 120.0) == []
    heard.partition.waiting = []
    assert silences.look(heard, 124.0) == []


def test_who_has_not_read_to_the_end_may_not_judge(heard, silences):
    heard.partition.caught_up = False
    assert silences.look(heard, 120.0) == []


def test_a_new_owner_waits_from_its_own_beginning(heard, silences):
    silences.begin()
    assert silences.look(heard, 200.0) == []
    assert silences.look(heard, 204.9) == []
    assert silences.look(heard, 205.0) == [(3, "sim")]
