import csv
import io
import json
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.renderings import (
    CANDLE_FIELDS,
    CANDLE_HEADER,
    as_csv,
    as_json,
    candle_fields,
    for_people,
    gap_fields,
    instant_us,
    milliseconds,
)
from sink.rows import OPEN_ENDED_US

US = 1_700_000_000_000_000


@pytest.mark.parametrize("text", ["1700000000000", "2023-11-14T22:13:20", "2023-11-14T22:13:20Z", "2023-11-14 23:13:20+01:00"])
def test_an_instant_is_milliseconds_or_iso_in_utc(text):
    assert instant_us(text) == US


def test_an_instant_that_is_neither_is_refused():
    with pytest.raises(ValueError, match="yesterday"):
        instant_us("yesterday")


@given(st.integers(0, 8_700 * 10**12))
def test_milliseconds_keep_every_microsecond(time_us):
    text = repr(milliseconds(time_us))
    assert Decimal(text) * 1000 == time_us
    assert ("." in text) == (time_us % 1000 != 0)


numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.fixed_dictionaries({"a": numbers, "b": st.integers(-(2**63), 2**63 - 1), "c": st.text(max_size=9)})))
def test_csv_numbers_round_trip(rows):
    read = list(csv.DictReader(io.StringIO(as_csv(["a", "b", "c"], rows))))
    assert [{"a": float(r["a"]), "b": int(r["b"])} for r in read] == [{"a": r["a"], "b": r["b"]} for r in rows]


def test_the_header_of_candles_is_the_documented_one():
    assert as_csv(CANDLE_FIELDS, []) == CANDLE_HEADER + "\n"


def test_a_row_becomes_fields():
    row = SimpleNamespace(series="s", start=datetime(2023, 11, 14, 22, 13, 20), close=0.1)  # noqa: DTZ001 - as the driver gives it
    fields = candle_fields(row, "1m")
    assert fields["start_ms"] == US // 1000
    assert fields["timeframe"] == "1m"
    assert json.loads(as_json([fields]))[0]["close"] == 0.1


def test_an_open_gap_has_no_end_and_an_unknown_number_no_digit():
    row = SimpleNamespace(from_us=US + 1, to_us=OPEN_ENDED_US, missing=-1, fillable=True)
    fields = gap_fields(row)
    assert fields["from_ms"] == US / 1000 + 0.001
    assert (fields["to_ms"], fields["missing"]) == (None, None)
    assert as_csv(["to_ms", "missing", "fillable"], [fields], header=False) == ",,true\n"


def test_people_read_utc():
    assert for_people("start_ms", US // 1000) == "2023-11-14 22:13:20"
    assert for_people("from_ms", US / 1000 + 0.25) == "2023-11-14 22:13:20.00025"
    assert for_people("close", 0.1 + 0.2) == "0.3"
