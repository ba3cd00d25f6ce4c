"""One record to framed Avro bytes and back, whatever the record holds and whatever the bytes are."""

import copy
import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import FILES, schema_of, schema_text, without_logical_types
from schemas.codec import Decoder, Encoder, as_dict, field_names
from schemas.records import Quote, Trade
from schemas.wire import HEADER_BYTES, WireError, header, schema_id_of
from tests.support.records import records

ALL = list(FILES)
any_record = st.sampled_from(ALL).flatmap(lambda kind: st.tuples(st.just(kind), records(kind)))
A_TRADE = Trade("sim", "X", 1, 2, 10.5, 0.25, trade_id="7", venue_sequence=9, epoch=3, sequence=4)
GOLDEN = "00000000010673696d025802040000000000002540000000000000d03f000002023702120608000000"


def schema_by_id(schema_id):
    if not 1 <= schema_id <= len(ALL):
        raise WireError("unknown_schema", f"{schema_id}")
    return schema_of(ALL[schema_id - 1])


def read_or_reason(kind, message):
    try:
        return Decoder(kind, schema_by_id)(message)
    except WireError as error:
        return error.reason


def id_of(kind):
    return ALL.index(kind) + 1


@given(any_record)
def test_a_record_comes_back_as_it_went(kind_and_record):
    kind, record = kind_and_record
    message = Encoder(kind, id_of(kind))(record)
    assert Decoder(kind, schema_by_id)(message) == record


@given(any_record)
def test_the_framing_is_confluents(kind_and_record):
    kind, record = kind_and_record
    message = Encoder(kind, 258)(record)
    assert message[:HEADER_BYTES] == b"\x00\x00\x00\x01\x02"
    assert schema_id_of(message) == 258


@pytest.mark.parametrize("kind", ALL)
def test_record_and_schema_have_the_same_fields_in_the_same_order(kind):
    assert field_names(kind) == tuple(f["name"] for f in schema_of(kind)["fields"])


@given(st.sampled_from(ALL), st.binary(max_size=200))
def test_any_bytes_give_a_record_or_a_wire_error(kind, message):
    outcome = read_or_reason(kind, message)
    assert isinstance(outcome, kind) or outcome in ("too_short", "wrong_magic", "unknown_schema", "undecodable", "trailing_bytes")


@given(any_record, st.data())
def test_damaged_bytes_give_a_record_or_a_wire_error(kind_and_record, data):
    kind, record = kind_and_record
    message = bytearray(Encoder(kind, id_of(kind))(record))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(HEADER_BYTES, len(message) - 1))] = data.draw(st.integers(0, 255))
    outcome = read_or_reason(kind, bytes(message))
    assert isinstance(outcome, kind) or outcome in ("undecodable", "trailing_bytes")


@given(any_record, st.data())
def test_a_body_cut_short_is_undecodable(kind_and_record, data):
    kind, record = kind_and_record
    message = Encoder(kind, id_of(kind))(record)
    cut = data.draw(st.integers(HEADER_BYTES, len(message) - 1))
    with pytest.raises(WireError) as refused:
        Decoder(kind, schema_by_id)(message[:cut])
    assert refused.value.reason == "undecodable"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "tombstone"),
        (b"", "too_short"),
        (b"\0\0\0\0", "too_short"),
        (b"\1\0\0\0\1x", "wrong_magic"),
        (header(99) + b"x", "unknown_schema"),
        (Encoder(Trade, 1)(A_TRADE) + b"!", "trailing_bytes"),
    ],
)
def test_the_reason_says_what_is_wrong(message, reason):
    with pytest.raises(WireError) as refused:
        Decoder(Trade, schema_by_id)(message)
    assert refused.value.reason == reason


def test_another_records_bytes_are_not_taken_for_ours():
    quote = Encoder(Quote, id_of(Quote))(Quote("sim", "X", 1, 2, 1.0, 1.1))
    with pytest.raises(WireError):
        Decoder(Trade, schema_by_id)(quote)


def test_a_field_added_later_is_filled_for_old_data_and_ignored_in_new_data():
    newer = schema_of(Trade)
    newer["fields"].append({"name": "liquidation", "type": "boolean", "default": False, "doc": "x"})
    older = copy.deepcopy(schema_of(Trade))
    older["fields"] = [f for f in older["fields"] if f["name"] not in ("conditions", "backfill")]
    for schema in (newer, older):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, without_logical_types(schema), as_dict(A_TRADE))
        assert Decoder(Trade, lambda _id, s=schema: s)(header(1) + body.getvalue()) == A_TRADE


def test_a_record_that_does_not_fit_its_schema_is_our_own_mistake():
    with pytest.raises((ValueError, TypeError)):
        Encoder(Trade, 1)(Trade("sim", "X", None, 2, 1.0, 1.0))


def test_bytes_are_those_every_other_team_reads():
    """Golden: changes here are changes of the wire, for Java as for us."""
    assert Encoder(Trade, 1)(A_TRADE).hex() == GOLDEN


def test_schemas_are_json_objects_without_surprises():
    for kind in ALL:
        assert json.loads(schema_text(kind))["namespace"] == "md.v1"
