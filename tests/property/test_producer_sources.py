"""Totality: any bytes give events or a documented error. Conservation: what came in is published, repeated or refused."""

import json
from collections import Counter
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from producer.errors import RemoteError
from producer.sources.finnhub import Finnhub
from producer.sources.protocol import Refused, Repeated
from producer.sources.recording import Recording
from schemas.codec import Encoder
from schemas.records import Trade

NOW = 1_672_348_887_500_000
T = NOW // 1000
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([10**400, 2**63, -(2**70)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("cpstv"), inner, max_size=5),
    max_leaves=20,
)


def finnhub():
    source = Finnhub(("A", "B"))
    source.connected(NOW)
    return source


@given(st.binary(max_size=200))
def test_any_bytes_give_events_or_the_documented_error(data):
    for read in (lambda: finnhub().receive(data, NOW), lambda: Recording("r", 1).read(data)):
        with suppress(RemoteError):
            read()


@given(st.lists(ANY_JSON, max_size=5), ANY_JSON)
def test_any_json_gives_one_event_for_each_element(elements, other):
    text = json.dumps({"type": "trade", "data": elements}).encode()
    assert len(finnhub().receive(text, NOW)) == len(elements)
    for frame in ({"type": "trade", "data": other}, {"type": "error", "msg": other}, other):
        with suppress(RemoteError):
            finnhub().receive(json.dumps(frame).encode(), NOW)


@given(
    st.dictionaries(
        st.sampled_from(["symbol", "event_time_us", "receive_time_us", "price", "size", "side", "id", "sequence", "bid", "ask"]),
        ANY_JSON,
    ),
    st.sampled_from(["trade", "quote"]),
)
def test_any_line_gives_a_record_that_can_be_written_or_the_documented_error(fields, kind):
    good = {"type": kind, "symbol": "X", "event_time_us": 5, "price": 1.0, "size": 1.0, "bid": 1.0, "ask": 1.0}
    with suppress(RemoteError):
        record = Recording("r", 1).read(json.dumps(good | fields).encode())
        assert Encoder(type(record), 1)(record)


elements = st.fixed_dictionaries(
    {
        "s": st.sampled_from(["A", "B", "C"]),
        "p": st.sampled_from([1.0, 2.0, -1.0]),
        "v": st.sampled_from([0, 1]),
        "t": st.sampled_from([T, T - 1]),
    }
)


@given(st.lists(st.tuples(st.lists(elements, max_size=4), st.integers(1, 3)), max_size=12))
def test_every_element_sent_is_published_repeated_or_refused(frames):
    source, counts, sent = finnhub(), Counter(), 0
    for number, (frame, times) in enumerate(frames):
        for _ in range(times):
            sent += len(frame)
            events = source.receive(json.dumps({"type": "trade", "data": frame}).encode(), NOW + number)
            counts.update(type(e) for e in events)
    assert set(counts) <= {Trade, Repeated, Refused}
    assert counts.total() == sent


@given(st.lists(elements.filter(lambda e: e["s"] != "C" and e["p"] > 0), max_size=6), st.integers(2, 4))
def test_frame_sent_often_is_published_once_with_its_twins(frame, times):
    source = finnhub()
    text = json.dumps({"type": "trade", "data": frame}).encode()
    first, *others = [source.receive(text, NOW + i) for i in range(times)]
    assert all(isinstance(e, Trade) for e in first)
    assert all(isinstance(e, Repeated) for events in others for e in events)
