from dataclasses import replace

import pytest

from producer.sequence import Numbering, next_epoch, numbered
from schemas.records import Quote, Trade


def test_numbers_are_contiguous_per_symbol():
    numbers = Numbering()
    assert [numbers.take(s) for s in ("A", "B", "A", "A")] == [0, 0, 1, 2]


def test_epoch_is_the_clock_or_one_more_than_the_newest_seen():
    assert next_epoch(100, None) == next_epoch(100, 50) == 100
    assert next_epoch(100, 100) == 101
    assert next_epoch(100, 500) == 501


@pytest.mark.parametrize("record", [Trade("s", "A", 1, 2, 3.0, 4.0, trade_id="x"), Quote("s", "A", 1, 2, 3.0, 4.0)])
def test_numbered_record_is_a_copy_with_its_number_and_nothing_else(record):
    made = numbered(record, 7, 9)
    assert made == replace(record, epoch=7, sequence=9)
    assert type(made) is type(record)
    assert (record.epoch, record.sequence) == (0, 0)
