from sink.batches import MAX_ROWS, bound, coalesce, plan
from sink.tables import Row

NOW = 10**15


def a_row(partition="p", key=0, stamp=1, *, table="t", expires_us=None, values=("v",)):
    return Row(table, partition, key, stamp, expires_us, values, None)


def test_the_highest_stamp_of_a_row_stays():
    rows = [a_row(stamp=2, values=("new",)), a_row(stamp=1, values=("old",)), a_row(key=1)]
    assert [r.values for r in coalesce(rows)] == [("new",), ("v",)]


def test_rows_of_one_partition_share_batches_of_fifty_at_most():
    planned = plan([a_row(key=n) for n in range(2 * MAX_ROWS + 1)], NOW)
    assert [len(b) for b in planned.batches] == [MAX_ROWS, MAX_ROWS, 1]


def test_partitions_and_tables_never_share_a_batch():
    planned = plan([a_row("a"), a_row("b"), a_row("a", key=1), a_row("a", table="u")], NOW)
    assert [{r[:2] for r in batch} for batch in planned.batches] == [{("t", "a")}, {("t", "b")}, {("u", "a")}]
    assert sum(map(len, planned.batches)) == 4


def test_what_came_first_is_written_first():
    planned = plan([a_row("candle", table="candles_1m"), *(a_row(n) for n in range(100))], NOW)
    assert planned.batches[0][0].table == "candles_1m"


def test_what_would_expire_at_once_is_left_out_and_handed_back():
    dead, alive = a_row("a", expires_us=NOW - 1), a_row("b", expires_us=NOW + 5_000_000)
    planned = plan([dead, alive], NOW)
    assert planned.expired == [dead]
    assert planned.batches == [(alive,)]


def test_coalesced_rows_are_counted():
    assert plan([a_row(), a_row(), a_row(key=1)], NOW).coalesced == 1


def test_the_remaining_life_is_bound_when_it_is_written():
    row = a_row(stamp=7, expires_us=NOW + 5_000_000)
    assert bound(row, NOW) == ("v", 7, 5)
    assert bound(row, NOW + 2_000_000) == ("v", 7, 3)
    assert bound(row, NOW + 9_000_000) == ("v", 7, 1)
    assert bound(a_row(stamp=7), NOW) == ("v", 7, 0)
