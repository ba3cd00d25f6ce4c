from hypothesis import given

from producer.bodies import is_result
from schemas.codec import Encoder
from schemas.records import HistoryCandle
from tests.support.records import records

ENCODE = Encoder(HistoryCandle, 300)


@given(records(HistoryCandle))
def test_result_is_told_from_a_candle_without_decoding_it(record):
    assert is_result(ENCODE(record), record.source, record.symbol) == (record.record == "result")
