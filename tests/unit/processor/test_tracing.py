"""A batch that is followed ends when its offsets are committed; what it waits for is seen, and nothing of another batch's."""

import pytest

from processor.tracing import Batches
from schemas.tracing import COUNT, OFFSETS
from tests.support.spans import Spans

T, Q = ("md.trades.v1", 0), ("md.quotes.v1", 0)


@pytest.fixture
def spans():
    return Spans()


@pytest.fixture
def batches(spans):
    return Batches(spans.tracing)


def test_a_batch_is_followed_to_the_commit(spans, batches):
    batches.taken(*T, 10, 15, 5)
    batches.folding(*T)
    batches.folded(*T)
    batches.publishing(3)
    batches.published()
    batches.committing({T: 15})
    assert "processor.batch" not in spans.ended()
    batches.committed({T: 15})
    assert spans.ended() == ["wait", "fold", "publish", "commit", "processor.batch"]
    expected = {"messaging.system": "kafka", COUNT: 5, OFFSETS: ("md.trades.v1/0/10-14",), "candlewick.round_outputs": 3}
    assert spans.facts() == [expected]


def test_what_is_folded_while_outputs_are_sent_is_not_among_them(spans, batches):
    batches.taken(*T, 0, 1, 1)
    batches.folding(*T)
    batches.folded(*T)
    batches.publishing(1)
    batches.taken(*Q, 0, 1, 1)
    batches.folding(*Q)
    batches.folded(*Q)
    batches.published()
    assert spans.ended().count("publish") == 1


def test_a_commit_of_less_or_of_another_partition_ends_nothing(spans, batches):
    batches.taken(*T, 10, 15, 5)
    for done in ({T: 14}, {Q: 99}):
        batches.committing(done)
        batches.committed(done)
    assert spans.ended() == []


def test_partitions_that_go_take_their_batches_with_them(spans, batches):
    batches.taken(*T, 10, 15, 5)
    batches.forget()
    batches.committed({T: 15})
    assert spans.ended() == ["wait", "processor.batch: the partitions went to another worker"]


def test_without_tracing_nothing_is_kept():
    batches = Batches(None)
    batches.taken(*T, 10, 15, 5)
    assert batches._followed == []
