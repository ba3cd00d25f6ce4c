"""What the pages say: JSON that reads back as the record, limits, and whose instrument a series is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.shown import LimitError, answer, as_json, instrument_in, limit_of, reader, record_json, renderer
from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.records import Candle, Gap, series_of
from tests.support.feeding import MINUTE, a_candle, a_gap


@pytest.mark.parametrize("record", [a_candle(MINUTE, 3, series='sim:a"ü/\n'), a_gap(1, None), a_gap(1, 9)], ids=str)
def test_a_record_rendered_from_kafkas_bytes_has_every_field_with_its_value(record):
    def schema_by_id(_):
        return schema_of(type(record))

    body = Encoder(type(record), 1)(record)
    assert json.loads(renderer(type(record), schema_by_id)(body)) == vars(record)
    assert reader(schema_by_id)(type(record), body) == record
    assert b"\n" not in record_json(record)


@pytest.mark.parametrize("body", [None, b"", b"rubbish", b"\x00\x00\x00\x00\x01"])
def test_law_11_what_is_no_record_is_passed_over(body):
    assert reader(lambda _: schema_of(Candle))(Candle, body) is None
    assert reader(lambda _: schema_of(Gap))(Gap, body) is None


def test_an_answer_is_its_head_and_the_records():
    assert json.loads(answer({"a": 1}, "list", [as_json({"b": 2}), as_json(3)])) == {"a": 1, "list": [{"b": 2}, 3]}
    assert json.loads(answer({"a": 1}, "list", [])) == {"a": 1, "list": []}


@pytest.mark.parametrize(("text", "limit"), [(None, 1000), ("1", 1), ("1000", 1000), ("007", 7)])
def test_limits(text, limit):
    assert limit_of(text, 1000) == limit


@pytest.mark.parametrize("text", ["", "0", "1001", "-1", "1.5", "ten", "1e3", "²", "9" * 5000, " 1"])
def test_wrong_limits_are_refused(text):
    with pytest.raises(LimitError, match="1 to 1000"):
        limit_of(text, 1000)


@given(st.text(st.characters(exclude_characters="@"), min_size=1), st.sampled_from(["trade", "mid", "bid", "ask"]))
def test_the_instrument_of_a_series_is_what_kafka_was_given_as_key(symbol, price):
    assert instrument_in(series_of("sim", symbol, price)) == f"sim:{symbol}"
