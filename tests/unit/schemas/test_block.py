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
from schemas.wire import WireError, header
from tests.support.records import records

KINDS = (Trade, Quote)
some_records = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(records(kind), min_size=1, max_size=30))
)


def messages_of(kind, rows, schema_id=1):
    encode = Encoder(kind, schema_id)
    return [encode(row) for row in rows]


def symbols_or_reason(decode, messages):
    try:
        return decode(messages)["symbol"].to_list()
    except WireError as error:
        return error.reason


@given(some_records)
def test_a_block_gives_what_its_records_give_one_by_one(kind_and_rows):
    kind, rows = kind_and_rows
    frame = BlockDecoder(kind, schema_of(kind), 1)(messages_of(kind, rows))
    assert tuple(frame.columns) == field_names(kind)
    assert [kind(**row) for row in frame.iter_rows(named=True)] == rows


@given(some_records)
def test_the_bytes_of_both_ways_are_equal(kind_and_rows):
    kind, rows = kind_and_rows
    messages = messages_of(kind, rows)
    frame = BlockDecoder(kind, schema_of(kind), 1)(messages)
    assert messages_of(kind, [kind(**row) for row in frame.iter_rows(named=True)]) == messages


def test_columns_an_older_writer_did_not_have_get_the_readers_defaults():
    older = schema_of(Trade)
    older["fields"] = [f for f in older["fields"] if f["name"] not in ("trade_id", "conditions", "backfill", "replay")]
    row = {"source": "s", "symbol": "X", "event_time": 1, "receive_time": 2, "price": 1.0, "size": 2.0}
    row |= {"kind": "trade", "side": "buy", "venue_sequence": None, "epoch": 1, "sequence": 1}
    body = io.BytesIO()
    fastavro.schemaless_writer(body, without_logical_types(older), row)
    frame = BlockDecoder(Trade, older, 1)([header(1) + body.getvalue()])
    assert [Trade(**r) for r in frame.iter_rows(named=True)] == [Trade(**row)]


def test_an_empty_block_has_no_rows():
    assert BlockDecoder(Trade, schema_of(Trade), 1)([]).height == 0


def test_a_body_cut_short_inside_a_block_is_an_error_or_shifts_rows_so_that_keys_differ():
    rows = [Trade("sim", f"S{n}", n, n, 1.0 + n, 1.0, sequence=n) for n in range(10)]
    messages = messages_of(Trade, rows)
    decode = BlockDecoder(Trade, schema_of(Trade), 1)
    for cut in range(len(messages[4])):
        damaged = [*messages[:4], messages[4][:cut], *messages[5:]]
        outcome = symbols_or_reason(decode, damaged)
        assert outcome == "undecodable" or outcome != [r.symbol for r in rows]


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_any_bytes_give_rows_or_a_wire_error(messages):
    outcome = symbols_or_reason(BlockDecoder(Trade, schema_of(Trade), 1), messages)
    assert outcome == "undecodable" or len(outcome) == len(messages)


@pytest.mark.parametrize("other", [header(2), header(1 << 31), b"\1" + header(1)[1:], header(128), header(0x7F80FFFF)])
@pytest.mark.parametrize("at", [0, 4, 9])
def test_one_message_of_another_framing_is_an_error(other, at):
    messages = messages_of(Trade, [Trade("sim", "X", n, n, 1.0, 1.0) for n in range(10)])
    messages[at] = other + messages[at][5:]
    for schema_id in (1, 2):
        with pytest.raises(WireError):
            BlockDecoder(Trade, schema_of(Trade), schema_id)(messages)


def test_wire_errors_are_no_panics():
    with pytest.raises(WireError):
        BlockDecoder(Trade, schema_of(Trade), 1)([b"\xff" * 40])
