import pytest

from deploy.simulator.coinbase_book import Book, frame, iso
from deploy.simulator.coinbase_faults import Faults, parse_fault
from deploy.simulator.market import Print

START_S = 1_700_000_000
S = 1_000_000


def a_book(number):
    """Return a book with `number` trades of BTC-USD, a second apart, and the trades."""
    book = Book(1, START_S)
    return book, [book.trade(Print("BTC-USD", 100.0 + n, 0.5, None), (START_S + n) * S) for n in range(number)]


def test_ids_are_contiguous_and_times_ascend():
    _, trades = a_book(50)
    assert [t.trade_id for t in trades] == list(range(trades[0].trade_id, trades[0].trade_id + 50))
    assert sorted(t.time_us for t in trades) == [t.time_us for t in trades]


def test_twin_happens_at_the_same_moment_under_an_id_of_its_own():
    book, (first,) = a_book(1)
    twin = book.trade(Print("BTC-USD", 100.0, 0.5, None, twin_of_last=True), (START_S + 1) * S)
    assert (twin.time_us, twin.trade_id) == (first.time_us, first.trade_id + 1)


@pytest.mark.parametrize(
    ("limit", "after", "before", "expected"),
    [(3, None, None, [9, 8, 7]), (3, 5, None, [4, 3, 2]), (9, 2, None, [1, 0]), (5, None, 7, [9, 8]), (2, None, 5, [9, 8])],
)
def test_pages_are_newest_first_and_bounded_by_ids(limit, after, before, expected):
    book, trades = a_book(10)
    first = trades[0].trade_id
    borders = [None if border is None else first + border for border in (after, before)]
    assert [row["trade_id"] - first for row in book.page("BTC-USD", limit, *borders)] == expected


def test_rows_are_low_before_high_before_open():
    book, _ = a_book(3)
    ((at, low, high, begin, end, volume),) = book.rows("BTC-USD", 60, START_S // 60 * 60, START_S // 60 * 60)
    assert (at, low, high, begin, end, volume) == (START_S // 60 * 60, 100.0, 102.0, 100.0, 102.0, 1.5)


def test_frame_tells_numbers_as_texts():
    _, (trade,) = a_book(1)
    told = frame("match", trade)
    assert (told["price"], told["size"]) == ("100.00", "0.50000000")


@pytest.mark.parametrize(
    ("us", "text"),
    [(0, "1970-01-01T00:00:00Z"), (500_000, "1970-01-01T00:00:00.500Z"), (1, "1970-01-01T00:00:00.000001Z")],
)
def test_times_are_told_with_as_many_digits_as_they_need(us, text):
    assert iso(us) == text


def test_counted_faults_are_for_the_next_matches_of_one_product():
    faults = Faults()
    faults.add(parse_fault({"kind": "skip", "symbol": "A", "count": 2}), 0.0)
    assert [faults.takes("skip", symbol) for symbol in "ABAA"] == [True, False, True, False]


def test_lasting_faults_end_by_themselves():
    faults = Faults()
    faults.add(parse_fault({"kind": "rest", "seconds": 2}), 10.0)
    assert faults.active("rest", 11.9)["status"] == 503
    assert faults.active("rest", 12.0) is None


@pytest.mark.parametrize(
    "body", [None, {"kind": "fire"}, {"kind": "skip", "count": 0}, {"kind": "drop", "how": "x"}, {"kind": "drop", "when": 1}]
)
def test_fault_that_is_none_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011 - the text is for people
        parse_fault(body)
