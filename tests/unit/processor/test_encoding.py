"""Columns to bytes: what many at once are written as is what each alone would be, bit for bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.encoding import ColumnsEncoder
from schemas.codec import Encoder
from schemas.records import Candle, FeedStatus
from tests.support.columns import vendor_candles

LONGS = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-200, 200) | st.sampled_from([1 << n for n in range(63)])
DOUBLES = st.floats(allow_nan=False)
SAME, MANY = Encoder(Candle, 7), ColumnsEncoder(Candle, 7)
NUMBERS = {
    "start": LONGS,
    "end": LONGS,
    "version": LONGS,
    "open": DOUBLES,
    "fingerprint": LONGS,
    "input_partition": st.integers(-9, 9),
}
WORDS = {
    "state": st.sampled_from(["live", "final", "revised"]),
    "gap_cause": st.sampled_from(["none", "unsubscribed", "refused"]),
}
ROWS = st.lists(st.fixed_dictionaries({**NUMBERS, **WORDS}), min_size=1, max_size=30)
REST = {
    "series": "sim:Ä",
    "source": "sim",
    "symbol": "Ä" * 80,
    "price": "mid",
    "timeframe": "1m",
    "high": 2.5,
    "low": -0.0,
    "close": 1e300,
    "volume": 0.0,
    "buy_volume": 0.0,
    "vwap": 1.5,
    "trade_count": 3,
    "update_count": 0,
    "first_event_time": 1 << 40,
    "last_event_time": 1 << 50,
    "updated_at": 1 << 60,
}


@given(ROWS)
def test_each_is_written_as_it_would_be_alone(rows):
    shared = {**vars(Candle(**REST, **rows[0])), **REST}
    columns = {name: np.array([r[name] for r in rows], np.float64 if name == "open" else np.int64) for name in NUMBERS}
    columns |= {name: [r[name] for r in rows] for name in WORDS}
    assert MANY(shared, columns) == [SAME(Candle(**REST, **row)) for row in rows]


def test_a_vendors_candles_are_written_as_their_records():
    many = vendor_candles(["none", "bootstrap", "backfill", "none"])
    assert MANY(many.shared, many.columns) == [SAME(c) for c in many.records()]
    assert many.records(3) == many.records()[3:]
    assert [(c.state, c.reason) for c in many.records()[1:]] == [
        ("revised", "bootstrap"),
        ("revised", "backfill"),
        ("final", "none"),
    ]


def test_what_does_not_fit_is_our_own_mistake_and_said():
    many = vendor_candles(["none"])
    with pytest.raises(KeyError, match="series"):
        MANY({k: v for k, v in many.shared.items() if k != "series"}, many.columns)
    with pytest.raises(KeyError, match="unheard"):
        MANY(many.shared, many.columns | {"reason": ["unheard"]})
    with pytest.raises(TypeError, match="string"):
        MANY(many.shared, many.columns | {"symbol": ["X"]})
    with pytest.raises(TypeError, match="array"):
        ColumnsEncoder(FeedStatus, 7)(vars(FeedStatus("sim", "live")), {"losses": [()]})
