"""Whole blocks to columns: the same values as one by one, and damage is an error or caught by the keys."""

import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import schema_of, without_logical_types
from schemas.block import BlockDecoder
from schemas.codec import Encoder, field_names
from schemas.records import Quote, Trade
from schemas.wire import HEADER_BYTES, WireError
from tests.support.records import records

KINDS = (Trade, Quote)
some_records = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(records(kind), min_size=1, max_size=30))
)


def bodies_of(kind, rows):
    encode = Encoder(kind, 1)
    return [encode(row)[HEADER_BYTES:] for row in rows]


def symbols_or_reason(decode, bodies):
    try:
        return decode(bodies)["symbol"].to_list()
    except WireError as error:
        return error.reason


@given(some_records)
def test_a_block_gives_what_its_records_give_one_by_one(kind_and_rows):
    kind, rows = kind_and_rows
    frame = BlockDecoder(kind, schema_of(kind))(bodies_of(kind, rows))
    assert tuple(frame.columns) == field_names(kind)
    assert [kind(**row) for row in frame.iter_rows(named=True)] == rows


@given(some_records)
def test_the_bytes_of_both_ways_are_equal(kind_and_rows):
    kind, rows = kind_and_rows
    bodies = bodies_of(kind, rows)
    frame = BlockDecoder(kind, schema_of(kind))(bodies)
    assert bodies_of(kind, [kind(**row) for row in frame.iter_rows(named=True)]) == bodies


def test_columns_an_older_writer_did_not_have_get_the_readers_defaults():
    older = schema_of(Trade)
    older["fields"] = [f for f in older["fields"] if f["name"] not in ("trade_id", "conditions", "backfill", "replay")]
    row = {"source": "s", "symbol": "X", "event_time": 1, "receive_time": 2, "price": 1.0, "size": 2.0}
    row |= {"kind": "trade", "side": "buy", "venue_sequence": None, "epoch": 1, "sequence": 1}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, without_logical_types(older), row)
    frame = BlockDecoder(Trade, older)([body.getvalue()])
    assert [Trade(**r) for r in frame.iter_rows(named=True)] == [Trade(**row)]


def test_an_empty_block_has_no_rows():
    assert BlockDecoder(Trade, schema_of(Trade))([]).height == 0


def test_a_body_cut_short_inside_a_block_is_an_error_or_shifts_rows_so_that_keys_differ():
    rows = [Trade("sim", f"S{n}", n, n, 1.0 + n, 1.0, sequence=n) for n in range(10)]
    bodies = bodies_of(Trade, rows)
    decode = BlockDecoder(Trade, schema_of(Trade))
    for cut in range(len(bodies[4])):
        damaged = [*bodies[:4], bodies[4][:cut], *bodies[5:]]
        outcome = symbols_or_reason(decode, damaged)
        assert outcome == "undecodable" or outcome != [r.symbol for r in rows]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_any_bytes_give_rows_or_a_wire_error(bodies):
    outcome = symbols_or_reason(BlockDecoder(Trade, schema_of(Trade)), bodies)
    assert outcome == "undecodable" or len(outcome) == len(bodies)


def test_wire_errors_are_no_panics():
    with pytest.raises(WireError):
        BlockDecoder(Trade, schema_of(Trade))([b"\xff" * 40])
