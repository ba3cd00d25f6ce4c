"""Our reading of fetched batches gives the records that aiokafka's own gives."""

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from processor.fetch import BatchRecords

PLACE = TopicPartition("batches", 0)


def fetched(batches, compression):
    """Return batches as a broker would give them, the first record at offset 100."""
    data, offset = b"", 100
    for values in batches:
        builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
        for n, value in enumerate(values):
            builder.append(n, 1_700_000_000_000 + n, b"k%d" % n, value, [])
        part = bytearray(builder.build())
        part[0:8] = offset.to_bytes(8, "big")  # the broker gives a batch its place
        data += bytes(part)
        offset += len(values)
    return data


def reader(kind, records, position):
    return kind(PLACE, MemoryRecords(records), [], position, None, None, False, fetcher.READ_UNCOMMITTED)


values = st.one_of(st.none(), st.binary(max_size=30))


@given(st.lists(st.lists(values, min_size=1, max_size=6), min_size=1, max_size=4), st.integers(0, 30), st.sampled_from([0, 1, 3]))
def test_whole_batches_give_the_records_and_the_position_of_aiokafkas_own(batches, skipped, compression):
    BatchRecords.batch_topics = frozenset({"batches"})
    position = 100 + skipped
    stock = reader(BatchRecords.__base__, fetched(batches, compression), position)
    ours = reader(BatchRecords, fetched(batches, compression), position)
    wanted = [(r.offset, r.key, r.value, r.timestamp) for r in stock]
    found = [(r.offset, r.key, r.value, r.timestamp) for r in ours]
    assert found == wanted
    assert ours.next_fetch_offset == stock.next_fetch_offset


def test_topics_that_are_no_batches_get_aiokafkas_records():
    BatchRecords.batch_topics = frozenset({"others"})
    record = next(iter(reader(BatchRecords, fetched([[b"v"]], 0), 100)))
    assert (record.topic, record.partition, record.value) == ("batches", 0, b"v")


def test_a_damaged_batch_is_refused():
    BatchRecords.batch_topics = frozenset({"batches"})
    damaged = bytearray(fetched([[b"value"]], 0))
    damaged[-3] ^= 0xFF
    records = BatchRecords(PLACE, MemoryRecords(bytes(damaged)), [], 100, None, None, True, fetcher.READ_UNCOMMITTED)
    with pytest.raises(Exception, match="CRC"):
        list(records)
