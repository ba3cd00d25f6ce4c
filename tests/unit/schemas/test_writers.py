"""Writers made from schemas: the library's bytes for every value, and what they do not know is refused when they are made."""

import io
from dataclasses import replace
from types import SimpleNamespace

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.avro import FILES, schema_of, without_logical_types
from schemas.codec import REPEATED, Encoder, as_dict
from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Loss, Quote, Trade
from schemas.wire import header
from schemas.writers import Memo, record_writer, value_writer
from tests.support.records import records

A_CANDLE = Candle(
    "sim:X", "sim", "X", "trade", "1m", 1_790_000_000_000_000, 1_790_000_060_000_000, 1.5, 2.0, -0.0, 5e-324, 3.0, 0.0, 1.25,
    8191, 8192, 1_790_000_000_000_001, 1_790_000_059_999_999, 17, "final", input_partition=3, fingerprint=-(2**63),
)  # fmt: skip
ONE_OF_EACH = [
    Trade("sim", "X", 1, 2, 1.0, 2.0),
    Quote("sim", "X", 1, 2, 1.0, 1.1),
    FeedStatus("sim", "live", losses=(Loss(None, "feed_down", 1, 2),)),
    HistoryCandle("sim", "X"),
    A_CANDLE,
    Gap("sim:X|no_trades|1", "sim:X", "sim", "X", "trade", 1, None, "no_trades"),
]
BORDERS = [0, 1, 63, 64, 8191, 8192, *(1 << n for n in (14, 20, 27, 28, 40, 41, 42, 54, 55, 56, 62)), (1 << 63) - 1]
LONGS = st.sampled_from([s * n + d for n in BORDERS for s in (1, -1) for d in (-1, 0, 1) if -(1 << 63) <= s * n + d < 1 << 63])
MOMENT = {"type": "long", "logicalType": "timestamp-micros"}
WRITERS = {kind: (Encoder(kind, 7), fastavro.parse_schema(without_logical_types(schema_of(kind)))) for kind in FILES}


def by_the_library(schema, datum):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, datum)
    return out.getvalue()


def a_record(*fields):
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in fields]}


@given(st.sampled_from(list(FILES)).flatmap(lambda kind: st.lists(records(kind), min_size=1, max_size=3)))
@example(ONE_OF_EACH[4:5] * 2)
@example([A_CANDLE, replace(A_CANDLE, series="sim:Ä\U0001f56f", symbol="Ä\U0001f56f" * 5000, input_partition=-1)])
def test_any_record_is_written_as_the_library_writes_it(some):
    encode, schema = WRITERS[type(some[0])]
    for record in [*some, *some]:  # what is remembered, too
        assert encode(record) == header(7) + by_the_library(schema, as_dict(record))


@given(LONGS, st.sampled_from(["long", MOMENT, ["null", "long"], ["null", MOMENT]]))
def test_integers_of_every_length_are_written_as_the_library_writes_them(number, kind):
    assert value_writer(kind)(number) == by_the_library(without_logical_types(kind), number)


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda r: type(r).__name__)
def test_any_field_that_does_not_fit_is_a_value_error_or_a_type_error(record):
    encode, _ = WRITERS[type(record)]
    for field in schema_of(type(record))["fields"]:
        if field["type"] != "boolean":  # anything is true or false
            with pytest.raises((ValueError, TypeError)):
                encode(replace(record, **{field["name"]: object()}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("long", 1 << 63),
        ("long", -(1 << 63) - 1),
        (MOMENT, 1 << 63),
        ("int", 1 << 31),
        ("int", -(1 << 31) - 1),
        ("long", 1.0),
        (MOMENT, 1e15),
        ("long", None),
        ("string", "\ud800"),
        ("string", b"x"),
        ("double", "1"),
        ("double", 1 << 2000),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, "b"),
        ({"type": "array", "items": "long"}, [1, "2"]),
        ({"type": "fixed", "name": "F", "size": 3}, b"xy"),
    ],
)
def test_a_value_that_does_not_fit_is_a_value_error_or_a_type_error(kind, value):
    with pytest.raises((ValueError, TypeError)):
        value_writer(kind)(value)


@pytest.mark.parametrize(
    "kind",
    [
        "bytes",
        "float",
        "null",
        "Other",
        {"type": "map", "values": "long"},
        {"type": "bytes", "logicalType": "decimal", "precision": 4},
        ["long", "null"],
        ["null", "long", "string"],
        ["null", "bytes"],
        {"type": "array", "items": "float"},
        a_record(("a", "bytes")),
        a_record(("from", "long")),
        a_record(("a b", "long")),
    ],
)
def test_a_type_that_no_schema_of_ours_has_is_refused_when_the_writer_is_made(kind):
    with pytest.raises(TypeError):
        value_writer(kind)


@pytest.mark.parametrize("run", [("a", "c"), ("b", "a"), ("c", "d"), ("x",), ("d",), ("e",), ("f",)])
def test_what_is_remembered_stands_together_and_is_found_again_by_equality(run):
    schema = a_record(("a", "long"), ("b", "string"), ("c", MOMENT), ("d", "double"), ("e", ["null", "long"]), ("f", "boolean"))
    record_writer(schema, runs=[("a", "b", "c")])
    with pytest.raises(TypeError):
        record_writer(schema, runs=[run])


def test_every_run_is_remembered_apart():
    write = record_writer(a_record(("a", "long"), ("b", "long"), ("c", "double")), runs=[("a",), ("b",)])
    rows = [SimpleNamespace(a=a, b=b, c=c) for a in (0, 1) for b in (0, 1) for c in (0.0, -0.0)]
    assert len({write(row) for row in [*rows, *rows]}) == len(rows)


def test_fields_are_found_where_they_are_said_to_be_and_a_named_type_again_by_its_name():
    fixed = {"type": "fixed", "name": "F", "size": 2}
    inner = {**a_record(("x", "double"), ("y", "double")), "name": "Inner"}
    schema = a_record(("a", fixed), ("b", "F"), ("c", {"type": "array", "items": inner}))
    write = record_writer(schema, place=lambda record, field: f"v.{field}" if record == "Inner" else f"v[{field!r}]")
    points = [{"x": 1.5, "y": -0.0}, {"x": 2.5, "y": 1e300}]
    row = {"a": b"12", "b": b"34", "c": points}
    written = write({**row, "c": [SimpleNamespace(**point) for point in points]})
    assert written == by_the_library(fastavro.parse_schema(schema), row)


def test_a_memo_does_not_grow_beyond_its_limit():
    written = []
    memo = Memo(lambda key: written.append(key) or bytes([key]), 2)
    assert [memo[key] for key in (1, 1, 2, 3, 3, 1)] == [b"\1", b"\1", b"\2", b"\3", b"\3", b"\1"]
    assert written == [1, 2, 3, 1]
    assert len(memo) == 2


def test_what_could_not_be_written_is_not_remembered():
    write = record_writer(a_record(("a", "string")), runs=[("a",)])
    for _ in range(2):
        with pytest.raises(ValueError, match="surrogates"):
            write(SimpleNamespace(a="\ud800"))


@pytest.mark.parametrize("kind", REPEATED)
def test_runs_are_fields_of_their_records(kind):
    record_writer(schema_of(kind), runs=REPEATED[kind])
