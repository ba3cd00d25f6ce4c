from producer.sequence import Numbering, next_epoch


def test_numbers_are_contiguous_per_symbol():
    numbers = Numbering()
    assert [numbers.take(s) for s in ("A", "B", "A", "A")] == [0, 0, 1, 2]


def test_epoch_is_the_clock_or_one_more_than_the_newest_seen():
    assert next_epoch(100, None) == next_epoch(100, 50) == 100
    assert next_epoch(100, 100) == 101
    assert next_epoch(100, 500) == 501
