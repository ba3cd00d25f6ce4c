"""Batches of Kafka values as they may come: whole, damaged, mixed; what is good is kept in order, what is not is named."""

import io
import json
from dataclasses import dataclass, replace

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processor.blocks import Blocks
from schemas.avro import schema_of, schema_text
from schemas.codec import Encoder
from schemas.records import Quote, Trade
from schemas.wire import WireError, header

OLD = json.loads(schema_text(Trade))
OLD["fields"] = [f for f in OLD["fields"] if f["name"] not in ("replay", "conditions")]
SCHEMAS = {1: schema_of(Trade), 2: OLD, 3: schema_of(Quote)}


def lookup(schema_id):
    if schema_id not in SCHEMAS:
        raise WireError("unknown_schema", f"no schema {schema_id}")
    return SCHEMAS[schema_id]


@dataclass
class Message:
    offset: int
    key: bytes | None
    value: bytes | None


encode = Encoder(Trade, 1)


def trade(n=0, **changes):
    made = Trade("sim", f"S{n % 3}", 1_000_000 + n, 1_000_100 + n, 10.0 + n, 1.0, trade_id=str(n), epoch=1, sequence=n)
    return replace(made, **changes)


def message(n, record=None, **changes):
    record = record or trade(n)
    return replace(Message(n, f"{record.source}:{record.symbol}".encode(), encode(record)), **changes)


def decoded(messages):
    frame, refused = Blocks("trades", lookup, 60_000_000)(messages)
    return ([] if frame is None else frame["offset"].to_list()), {r.offset: r.reason for r in refused}, frame


def test_good_records_keep_order_values_and_offsets():
    offsets, refused, frame = decoded([message(n) for n in range(100)])
    assert (offsets, refused) == (list(range(100)), {})
    assert frame["price"].to_list() == [10.0 + n for n in range(100)]
    assert frame["key"].to_list() == [f"sim:S{n % 3}" for n in range(100)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"value": None}, "tombstone"),
        ({"value": b"\0\0"}, "too_short"),
        ({"value": b"\1" + encode(trade())[1:]}, "wrong_magic"),
        ({"value": header(99) + encode(trade())[5:]}, "unknown_schema"),
        ({"value": encode(trade())[:-3]}, "undecodable"),
        ({"value": encode(trade()) + b"\0"}, "trailing_bytes"),
        ({"value": header(3) + encode(trade())[5:]}, "undecodable"),
        ({"value": header(1) + b"\xff" * 30}, "undecodable"),
        ({"key": b"sim:OTHER"}, "key_mismatch"),
        ({"key": None}, "key_mismatch"),
        ({"key": b"\xff\xfe"}, "key_mismatch"),
        ({"value": encode(trade(price=float("nan")))}, "bad_price"),
        ({"value": encode(trade(price=-1.0))}, "bad_price"),
        ({"value": encode(trade(price=float("inf")))}, "bad_price"),
        ({"value": encode(trade(size=-1.0))}, "bad_size"),
        ({"value": encode(trade(event_time=-1))}, "bad_time"),
        ({"value": encode(trade(event_time=70_000_000))}, "event_ahead"),
    ],
)
def test_one_bad_record_among_good_ones_is_named_and_its_neighbours_are_unharmed(changes, reason):
    messages = [message(n) for n in range(30)]
    messages[12] = replace(message(12, trade(0)), **changes)
    offsets, refused, frame = decoded(messages)
    assert refused == {12: reason}
    assert offsets == [n for n in range(30) if n != 12]
    assert frame["price"].to_list() == [10.0 + n for n in offsets]


def test_a_batch_written_with_two_schemas_is_one_batch_in_order():
    def written_before(record):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, OLD, vars(record))
        return header(2) + out.getvalue()

    messages = [message(n) if n % 2 else message(n, value=written_before(trade(n))) for n in range(20)]
    offsets, refused, frame = decoded(messages)
    assert (offsets, refused) == (list(range(20)), {})
    assert frame["replay"].to_list() == [False] * 20
    assert frame["trade_id"].to_list() == [str(n) for n in range(20)]


def test_nothing_good_gives_no_columns():
    assert decoded([message(0, value=b""), message(1, value=None)])[:2] == ([], {0: "too_short", 1: "tombstone"})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_law_11_any_bytes_are_records_or_refused_and_never_both(data):
    messages = [message(n) for n in range(data.draw(st.integers(1, 12)))]
    for n in data.draw(st.sets(st.integers(0, len(messages) - 1), max_size=4)):
        value = messages[n].value
        start = data.draw(st.integers(0, len(value)))
        end = data.draw(st.integers(start, len(value)))
        messages[n].value = value[:start] + data.draw(st.binary(max_size=40)) + value[end:]
    offsets, refused, frame = decoded(messages)
    assert sorted([*offsets, *refused]) == [m.offset for m in messages]
    if frame is not None:
        single = Blocks("trades", lookup, 60_000_000)
        for row in frame.iter_rows(named=True):  # each good record says alone what it said in the batch
            alone, _ = single([messages[row["offset"]]])
            assert alone.row(0, named=True) == row
