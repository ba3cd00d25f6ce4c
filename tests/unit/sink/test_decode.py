"""Candles in blocks are what they are one by one, whatever is damaged among them."""

import copy

import pytest

from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.records import Candle
from schemas.wire import WireError
from sink.decode import Reader
from tests.support.feeding import MINUTE, a_candle

ENCODE = Encoder(Candle, 7)
CANDLES = [a_candle(n * MINUTE, n, series=f"sim:S{n % 3}", coverage=1 / (n + 1), gap_cause="feed_down") for n in range(40)]
VALUES = [ENCODE(c) for c in CANDLES]
KEYS = [c.series.encode() for c in CANDLES]


def reader(schema=None):
    return Reader(Candle, lambda _id: schema or schema_of(Candle))


def one_by_one(keys, values, schema=None):
    read = reader(schema)
    return [record for key, value in zip(keys, values, strict=True) for record in read([key], [value])]


def same(found, wanted):
    """Records are equal; faults are of one reason and text, for errors know no equality."""
    return [str(f) if isinstance(f, WireError) else f for f in found] == [
        str(w) if isinstance(w, WireError) else w for w in wanted
    ]


@pytest.fixture
def singles(monkeypatch):
    """How many records went the slow way."""
    counted = []
    slow = Reader._one
    monkeypatch.setattr(Reader, "_one", lambda self, key, value: counted.append(key) or slow(self, key, value))
    return counted


@pytest.mark.parametrize("key", [lambda c: c.series, lambda c: f"{c.series}|{c.timeframe}"])
def test_a_block_of_candles_gives_the_records_themselves(singles, key):
    found = reader()([key(c).encode() for c in CANDLES], VALUES)
    assert found == CANDLES
    assert [vars(f) for f in found] == [vars(c) for c in CANDLES]
    assert [type(v) for v in vars(found[0]).values()] == [type(v) for v in vars(CANDLES[0]).values()]
    assert singles == []


@pytest.mark.parametrize("at", [0, 17, 39])
@pytest.mark.parametrize(
    "damage",
    [
        lambda v: v[:-1],
        lambda v: v + b"\0",
        lambda v: v[:9],
        lambda v: v[:5] + b"\x7f" + v[6:],
        lambda v: v[:20] + v[21:],
        lambda _: b"",
        lambda _: None,
        lambda v: b"\1" + v[1:],
    ],
)
def test_damage_is_found_where_it_is_and_the_neighbours_are_whole(at, damage):
    values = [*VALUES[:at], damage(VALUES[at]), *VALUES[at + 1 :]]
    found = reader()(KEYS, values)
    assert same(found, one_by_one(KEYS, values))
    assert [f for n, f in enumerate(found) if n != at] == [c for n, c in enumerate(CANDLES) if n != at]


@pytest.mark.parametrize("key", [None, b"\xff\xfe", b"sim:another"])
def test_a_strange_key_costs_time_and_nothing_else(singles, key):
    assert reader()([key, *KEYS[1:]], VALUES) == CANDLES
    assert len(singles) == len(CANDLES)


def test_a_symbol_that_is_newer_than_we_are_becomes_the_default_in_a_block_too():
    newer = copy.deepcopy(schema_of(Candle))
    (cause,) = (f for f in newer["fields"] if f["name"] == "gap_cause")
    last = len(cause["type"]["symbols"])
    cause["type"]["symbols"].append("something_new")
    plain = ENCODE(a_candle(0, 1, gap_cause="unsubscribed"))
    known = ENCODE(a_candle(0, 1, gap_cause="none"))
    # The enumeration's index is one zigzag byte, the only one in which the two values differ.
    (where,) = (n for n, (a, b) in enumerate(zip(plain, known, strict=True)) if a != b)
    value = plain[:where] + bytes([2 * last]) + plain[where + 1 :]
    keys, values = [b"sim:X"] * 20, [value] * 20
    found = reader(newer)(keys, values)
    assert same(found, one_by_one(keys, values, newer))
    assert {f.gap_cause for f in found} == {"none"}
