import pytest
from hypothesis import given

from producer.bodies import Bodies, HistoryBodies, is_result, long_bytes
from schemas.codec import Encoder
from schemas.records import HistoryCandle, Quote, Trade
from tests.support.records import records

BODIES = Bodies(7, 300)
TRADE, QUOTE = Encoder(Trade, 7), Encoder(Quote, 300)
FULL = Trade("s", "IC MARKETS:1", 2**53, -5, 0.1, 3.0, "update", "sell", "ид", -(2**63), 2**63 - 1, 129, "1,8", True, True)


@pytest.mark.parametrize("trade", [Trade("r", "X", 1, 2, 1.0, 0.0), FULL])
def test_trade_is_written_as_the_codec_writes_it(trade):
    assert [BODIES.trade(trade), BODIES.trade(trade)] == [TRADE(trade)] * 2


@pytest.mark.parametrize(
    "quote", [Quote("r", "X", 1, 2, 1.0, 2.0), Quote("r", "Ü", 2**60, 0, 1e300, 5e-324, 1.5, 2.5, 8191, 64, 8192, True, True)]
)
def test_quote_is_written_as_the_codec_writes_it(quote):
    assert BODIES.quote(quote) == QUOTE(quote)


@pytest.mark.parametrize(
    ("number", "data"),
    [(0, b"\0"), (-1, b"\1"), (1, b"\2"), (64, b"\x80\1"), (8192, b"\x80\x80\1"), (-(2**63), b"\xff" * 9 + b"\1")],
)
def test_integers_of_every_length(number, data):
    assert long_bytes(number) == data


HISTORY = HistoryBodies(300), Encoder(HistoryCandle, 300)


@given(records(HistoryCandle))
def test_history_is_written_as_the_codec_writes_it(record):
    fast, slow = HISTORY
    assert fast(record) == slow(record)


@given(records(HistoryCandle))
def test_result_is_told_from_a_candle_without_decoding_it(record):
    fast, _ = HISTORY
    assert is_result(fast(record), record.source, record.symbol) == (record.record == "result")
