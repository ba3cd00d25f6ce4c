"""A poll that is followed ends when Kafka was told all its offsets, lane by lane, in the order of the worker's turns."""

import pytest

from schemas.tracing import COUNT, OFFSETS
from sink.offsets import Span
from sink.tracing import Polls
from tests.support.spans import Spans

P, Q = ("md.gaps.v1", 0), ("md.gaps.v1", 1)


@pytest.fixture
def spans():
    return Spans()


@pytest.fixture
def polls(spans):
    return Polls(spans.tracing)


def take(polls, lane, *spans):
    polls.taken(lane, spans, 3)
    polls.mapped(lane)
    polls.writing(lane, 4)


def test_a_poll_is_followed_to_the_last_of_its_commits(spans, polls):
    take(polls, "first", Span(P, 5, 7), Span(Q, 0, 1))
    polls.written("first")
    polls.committed("first", {P: 7}, {P, Q})
    assert spans.ended() == ["map", "write"]
    polls.committed("first", {Q: 9}, {P, Q})
    assert spans.ended() == ["map", "write", "commit", "sink.poll"]
    facts = {COUNT: 3, OFFSETS: ("md.gaps.v1/0/5-6", "md.gaps.v1/1/0-0"), "candlewick.lane": "first", "candlewick.rows": 4}
    assert spans.facts() == [{"messaging.system": "kafka", **facts}]


def test_a_lanes_next_poll_is_mapped_while_the_one_before_is_written(spans, polls):
    take(polls, "bulk", Span(P, 0, 1))
    polls.taken("bulk", [Span(P, 1, 2)], 1)
    polls.mapped("bulk")
    polls.written("bulk")
    polls.committed("bulk", {P: 1}, {P})
    assert spans.ended().count("sink.poll") == 1
    polls.writing("bulk", 1)
    polls.written("bulk")
    polls.committed("bulk", {P: 2}, {P})
    assert spans.ended().count("sink.poll") == 2


def test_another_lanes_progress_is_not_ours(spans, polls):
    take(polls, "first", Span(P, 0, 1))
    polls.written("bulk")
    polls.committed("bulk", {P: 1}, {P})
    polls.committed("first", {P: 1}, {P})
    assert spans.ended() == ["map"]


def test_of_a_partition_that_went_to_another_sink_nothing_more_is_heard(spans, polls):
    take(polls, "first", Span(P, 0, 1), Span(Q, 0, 1))
    polls.written("first")
    polls.committed("first", {Q: 1}, {Q})
    assert spans.ended()[-1] == "sink.poll"
