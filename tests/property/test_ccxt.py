"""ccxt: any bytes give events or the documented error; every trade given is published, repeated, ignored or refused."""

import json
from collections import Counter
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from producer.errors import RemoteError
from producer.history.ccxt_candles import read_candles
from producer.sources.ccxt import Ccxt
from producer.sources.protocol import Ignored, Refused, Repeated
from schemas.codec import Encoder
from schemas.records import Loss, Trade

T = 1_580_500_821_158
NOW = T * 1000
ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1e400", "\uff19"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
GOOD = {"id": "7", "timestamp": T, "symbol": "A/B", "side": "buy", "price": "1.5", "amount": "2"}


def ccxt():
    source = Ccxt(("A/B", "C/D"), "ccxt-x")
    source.connected(NOW)
    return source


@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_the_documented_error(data):
    with suppress(RemoteError):
        ccxt().receive(data, NOW)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.dictionaries(st.sampled_from(sorted(GOOD)), ANY_JSON, max_size=3).map(lambda damage: {**GOOD, **damage}) | ANY_JSON
    ),
    ANY_JSON,
)
def test_every_trade_given_is_published_repeated_ignored_or_refused(trades, page):
    source = ccxt()
    with suppress(RemoteError):  # numbers that JSON has and nobody reads, such as NaN
        events = source.receive(json.dumps({"trades": trades, "page": page}).encode(), NOW)
        counts = Counter(type(event) for event in events)
        assert set(counts) <= {Trade, Repeated, Ignored, Refused, Loss}
        assert counts.total() - counts[Loss] == len(trades)
        for event in events:
            if isinstance(event, Trade):
                assert Encoder(Trade, 1)(event)


@given(st.lists(st.tuples(st.lists(st.integers(1, 8), max_size=5), st.booleans()), max_size=12))
def test_an_id_is_published_once_however_often_it_is_given(frames):
    source, published = ccxt(), []
    for ids, is_page in frames:
        trades = [{**GOOD, "id": str(n), "timestamp": T + n} for n in ids]
        more = {"page": "A/B"} if is_page else {}
        published += [
            e.trade_id for e in source.receive(json.dumps({"trades": trades, **more}).encode(), NOW) if type(e) is Trade
        ]
    assert sorted(published) == sorted({str(n) for ids, _ in frames for n in ids})


@given(ANY_JSON)
def test_any_rows_give_candles(rows):
    read_candles(rows)
