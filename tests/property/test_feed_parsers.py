"""Law 11 for the parsers that have no file of their own here: any bytes, any JSON, any damaged real frame of Finnhub and of IG.

What comes out is events, candles or the documented error; a record that comes out can be written.
"""

import json
import math
from contextlib import suppress
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from producer.errors import RemoteError
from producer.history import finnhub_candles, ig_prices
from producer.history.protocol import Page, Question, UnavailableError, VendorCandle
from producer.ig import frames
from producer.sources.finnhub import Finnhub
from producer.sources.ig import Ig
from producer.sources.protocol import Heartbeat, Ignored, Refused, Repeated, VenueError
from schemas.codec import Encoder
from schemas.records import Loss, Quote, Trade
from schemas.timeframes import MINUTE

NOW = 1_795_575_182_000_000
T = NOW // 1000 - 300
EVENTS = (Trade, Quote, Loss, Heartbeat, Ignored, Refused, Repeated, VenueError)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([2**63, 10**400, "1e400", "9" * 50, "-1", "NaN", "ok", "no_data", "1", "2020-10-12T20:50:00", str(T), T])
)
NAMES = ("s", "t", "bid", "ask", "prices", "allowance", "totalPages", "BIDPRICE1", "snapshotTimeUTC", "openPrice")
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)

TRADES = (
    b'{"data":[{"c":["1","8","24","12"],"p":122.1,"s":"A","t":%d,"v":1},{"c":null,"p":7296.89,"s":"B","t":%d,"v":0.011467}],'
    b'"type":"trade"}' % (T, T)
)
COMPLAINT = b'{"msg":"Subscribing to too many symbols","type":"error"}'
CANDLES = {"c": [189.7], "h": [189.9], "l": [189.5], "o": [189.5], "s": "ok", "t": [1700000040], "v": [1234]}

EPIC = "CS.D.EURUSD.MINI.IP"
FIELDS = {
    "BIDPRICE1": "1.0831",
    "ASKPRICE1": "1.0833",
    "BIDSIZE1": None,
    "ASKSIZE1": "5",
    "TIMESTAMP": str(T),
    "DLG_FLAG": "DEAL   ",
}
TICK = {"LTP": "1.0832", "LTV": "3", "TTV": "17", "UTM": str(T), "BID": "1.0831", "OFR": "1.0833"}
MESSAGES = (
    {"type": "price", "epic": EPIC, "snapshot": False, "changed": ["BIDPRICE1", "TIMESTAMP"], "fields": FIELDS},
    {"type": "tick", "epic": EPIC, "snapshot": False, "changed": ["LTP", "TTV"], "fields": TICK},
    {"type": "scale", "epic": EPIC, "divisor": "10000"},
    {"type": "refused", "epic": EPIC, "of": "price", "code": 21, "message": "Invalid group"},
    {"type": "lost", "epic": EPIC, "of": "price", "count": 3},
    {"type": "overflow", "epic": EPIC, "count": 3, "from": NOW - 5, "to": NOW},
    {"type": "subscribed", "epic": EPIC},
    {"type": "heartbeat"},
)
SIDES = {"bid": 1.1, "ask": 1.2, "lastTraded": None}
PRICES = {
    "prices": [
        {"snapshotTimeUTC": "2020-10-12T20:50:00", **dict.fromkeys(("openPrice", "closePrice", "highPrice", "lowPrice"), SIDES)}
    ],
    "metadata": {"allowance": {"remainingAllowance": 9990, "allowanceExpiry": 604800}, "pageData": {"totalPages": 1}},
}


def finnhub():
    source = Finnhub(("A", "B"))
    source.connected(NOW)
    source.frames_to_send(10)
    return source


def ig():
    source = Ig((EPIC,), traded=frozenset((EPIC,)))
    source.connected(NOW)
    source.frames_to_send(10)
    return source


def check(source, frame):
    with suppress(RemoteError):
        for event in source.receive(frame, NOW):
            assert isinstance(event, EVENTS)
            if isinstance(event, Trade | Quote):
                assert Encoder(type(event), 1)(event)
                assert all(
                    0 < price < math.inf for price in ([event.price] if isinstance(event, Trade) else [event.bid, event.ask])
                )


def damaged(frame):
    """Return a strategy: the bytes of a frame with some of them replaced, put in or taken out, once or twice."""
    change = st.tuples(st.integers(0, len(frame)), st.integers(0, 8), st.binary(max_size=4))

    def apply(changes):
        data = frame
        for at, removed, put in changes:
            data = data[:at] + put + data[at + removed :]
        return data

    return st.lists(change, min_size=1, max_size=2).map(apply)


@given(st.sampled_from([TRADES, COMPLAINT]).flatmap(damaged))
def test_law_11_totality_a_damaged_frame_of_finnhub_gives_events_or_the_documented_error(frame):
    check(finnhub(), frame)


@given(st.dictionaries(st.sampled_from(sorted(CANDLES)), ANY_JSON | st.lists(SCALARS, max_size=3), max_size=3), ANY_JSON)
def test_law_11_totality_any_candles_of_finnhub_are_read_or_unavailable(damage, other):
    question = Question("A", 1_700_000_000_000_000, 1_700_000_000_000_000 + 10 * MINUTE)
    for reply in (CANDLES | damage, other):
        with suppress(UnavailableError):
            candles = finnhub_candles.parse(reply, "stock")
            assert all(isinstance(candle, VendorCandle) for candle in candles)
            assert isinstance(finnhub_candles.page_of(candles, question, NOW), Page)


@given(st.binary(max_size=300))
def test_law_11_totality_any_bytes_for_ig_give_events_or_the_documented_error(data):
    check(ig(), data)


@given(st.sampled_from([frames.frame(**message) for message in MESSAGES]).flatmap(damaged))
def test_law_11_totality_a_damaged_frame_of_igs_link_gives_events_or_the_documented_error(frame):
    check(ig(), frame)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.tuples(
            st.sampled_from(MESSAGES),
            st.dictionaries(
                st.sampled_from(["type", "epic", "snapshot", "changed", "of", "code", "count", "from", "to"]), ANY_JSON
            ),
            st.dictionaries(st.sampled_from([*FIELDS, *TICK, "DELAY"]), st.none() | st.text(max_size=8) | SCALARS, max_size=3),
        ),
        max_size=5,
    )
)
def test_law_11_totality_any_values_in_igs_updates_give_events_or_the_documented_error(sent):
    source = ig()
    for message, damage, values in sent:
        fields = {"fields": message["fields"] | values} if "fields" in message else {}
        check(source, json.dumps({**message, **fields, **damage}).encode())


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.dictionaries(st.sampled_from([*PRICES["prices"][0], "snapshotTime"]), ANY_JSON, max_size=3),
    st.dictionaries(st.sampled_from(["allowance", "pageData"]), ANY_JSON, max_size=2),
    ANY_JSON,
    st.sampled_from(["mid", "bid", "ask", "trade"]),
)
def test_law_11_totality_any_prices_of_ig_are_read_or_unavailable(damage, metadata, other, price):
    row = PRICES["prices"][0] | damage
    for reply in ({"prices": [row], "metadata": PRICES["metadata"] | metadata}, {**PRICES, "prices": other}, other):
        with suppress(UnavailableError):
            assert isinstance(ig_prices.read(reply, price, Decimal(10000)), ig_prices.Answer)
