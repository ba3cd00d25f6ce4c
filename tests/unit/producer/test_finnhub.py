import json
from dataclasses import fields

import pytest

from producer.errors import RemoteError
from producer.sources.finnhub import Finnhub
from producer.sources.protocol import Heartbeat, Ignored, Refused, Repeated, VenueError
from schemas.records import Trade

NOW = 1_672_348_887_500_000  # microseconds; the frames' `t` below lie just before it
T = 1_672_348_887_195
SYMBOLS = ("TSLA", "BINANCE:BTCUSDT", "IC MARKETS:1", "OANDA:EUR_USD")


def source():
    finnhub = Finnhub(SYMBOLS)
    finnhub.connected(NOW)
    return finnhub


def element(**changes):
    return {"c": None, "p": 122.1, "s": "TSLA", "t": T, "v": 1, **changes}


def frame(*elements):
    return json.dumps({"data": list(elements), "type": "trade"}).encode()


def test_documented_frame_becomes_its_trades_in_order():
    text = (
        b'{"data":[{"c":["1","8","24","12"],"p":122.1,"s":"TSLA","t":1672348887195,"v":1},'
        b'{"c":null,"p":7296.89,"s":"BINANCE:BTCUSDT","t":1672348887201,"v":0.011467}],"type":"trade"}'
    )
    assert source().receive(text, NOW) == [
        Trade("finnhub", "TSLA", 1_672_348_887_195_000, NOW, 122.1, 1.0, conditions="1,8,24,12"),
        Trade("finnhub", "BINANCE:BTCUSDT", 1_672_348_887_201_000, NOW, 7296.89, 0.011467),
    ]


def test_a_trade_has_every_field_and_equals_one_made_by_the_constructor():
    (made,) = source().receive(frame(element(c=["1", "8"])), NOW)
    assert list(vars(made)) == [f.name for f in fields(Trade)]
    assert made == Trade(**vars(made))
    assert hash(made) == hash(Trade(**vars(made)))


def test_volume_zero_is_a_price_update():
    (event,) = source().receive(frame(element(s="OANDA:EUR_USD", p=1.0832, v=0)), NOW)
    assert (event.kind, event.size) == ("update", 0.0)


@pytest.mark.parametrize("codes", [None, []])
def test_trade_without_conditions_has_empty_ones(codes):
    (event,) = source().receive(frame(element(c=codes)), NOW)
    assert event.conditions == ""


def test_conditions_may_be_absent():
    (event,) = source().receive(b'{"type":"trade","data":[{"p":1e-06,"s":"TSLA","t":1672348887195,"v":1.0}]}', NOW)
    assert (event.price, event.conditions) == (1e-06, "")


def test_symbol_with_a_space_and_a_colon_is_kept_as_it_is():
    (event,) = source().receive(frame(element(s="IC MARKETS:1")), NOW)
    assert event.symbol == "IC MARKETS:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"type":"ping"}', [Heartbeat()]),
        (b'{"type":"news","data":[]}', [Ignored("unknown_type")]),
        (b"{}", [Ignored("unknown_type")]),
        (b'{"type":"trade"}', [Ignored("no_data")]),
        (b'{"type":"trade","data":null}', [Ignored("no_data")]),
        (b'{"type":"trade","data":[]}', []),
        (b'{"msg":"Invalid message","type":"error"}', [VenueError("Invalid message")]),
        (b'{"type":"error"}', [VenueError("an error without a text")]),
    ],
)
def test_frames_that_hold_no_trade(text, expected):
    assert source().receive(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"data":[{"p":1.0,"s":"BROK', "not_json"),
        (b"", "not_json"),
        (b"\xff\xfe\x00", "not_json"),
        (b"[" * 5000, "not_json"),
        (b"7", "not_an_object"),
        (b'[{"type":"trade"}]', "not_an_object"),
        (b'{"type":"trade","data":{"p":1}}', "bad_data"),
    ],
)
def test_frame_that_is_none_is_the_peers_error(text, reason):
    with pytest.raises(RemoteError) as refused:
        source().receive(text, NOW)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "not_an_object"),
        (element(s=None), "bad_symbol"),
        (element(s="AAPL"), "unwanted_symbol"),
        (element(p=None), "bad_price"),
        (element(p=float("nan")), "bad_price"),
        (element(p=-1.0), "bad_price"),
        (element(p=0), "bad_price"),
        (element(p=True), "bad_price"),
        (element(v=-1), "bad_size"),
        (element(v="1"), "bad_size"),
        (element(t=T // 1000), "bad_time"),  # seconds by mistake
        (element(t=T + 61_000), "bad_time"),
        (element(t=T - 8 * 86_400_000), "bad_time"),
        (element(t=10**400), "bad_time"),
        (element(t=None), "bad_time"),
        (element(c="1"), "bad_conditions"),
        (element(c=[{}]), "bad_conditions"),
        (element(c=["x" * 500]), "bad_conditions"),
        ({"s": "TSLA", "t": T, "v": 1}, "missing_field"),
    ],
)
def test_one_bad_element_never_loses_its_neighbours(bad, reason):
    first, middle, last = source().receive(frame(element(p=1.0), bad, element(p=2.0)), NOW)
    assert (first.price, last.price) == (1.0, 2.0)
    assert isinstance(middle, Refused)
    assert middle.error.reason == reason
    assert isinstance(middle.value, bytes)


def test_frame_that_comes_three_times_counts_once():
    finnhub = source()
    text = frame(element(), element(p=3.0))
    events = [e for now in (NOW, NOW + 1, NOW + 2) for e in finnhub.receive(text, now)]
    assert [type(e) for e in events] == [Trade, Trade, Repeated, Repeated, Repeated, Repeated]


def test_equal_trades_within_one_frame_are_genuine_and_their_repeats_are_not():
    finnhub = source()
    text = frame(element(), element())
    assert [type(e) for e in finnhub.receive(text, NOW)] == [Trade, Trade]
    assert [type(e) for e in finnhub.receive(text, NOW + 1)] == [Repeated, Repeated]
    assert [type(e) for e in finnhub.receive(frame(element(), element(), element()), NOW + 2)] == [Repeated, Repeated, Trade]


def test_equal_trades_of_later_frames_are_genuine_where_the_feed_never_repeats_itself():
    finnhub = Finnhub(("TSLA",), drops_repeats=False)
    assert [[type(e) for e in finnhub.receive(frame(element()), NOW + n)] for n in range(3)] == [[Trade]] * 3


def test_repeat_is_known_across_a_reconnect_but_not_after_ten_seconds():
    finnhub = source()
    finnhub.receive(frame(element()), NOW)
    finnhub.connected(NOW + 1)
    assert isinstance(finnhub.receive(frame(element()), NOW + 2)[0], Repeated)
    assert isinstance(finnhub.receive(frame(element()), NOW + 11_000_000)[0], Trade)


def test_every_connection_subscribes_all_symbols_at_the_callers_pace():
    finnhub = source()
    for _ in range(2):
        finnhub.connected(NOW)
        batches = [finnhub.frames_to_send(3), finnhub.frames_to_send(3), finnhub.frames_to_send(3)]
        sent = [json.loads(text) for batch in batches for text in batch]
        assert [len(b) for b in batches] == [3, 1, 0]
        assert sent == [{"type": "subscribe", "symbol": s} for s in SYMBOLS]


def test_too_many_symbols_makes_the_last_sent_suspect_until_it_ticks():
    finnhub = source()
    finnhub.frames_to_send(4)
    complaint = b'{"msg":"Subscribing to too many symbols","type":"error"}'
    finnhub.receive(complaint, NOW)
    assert finnhub.refused_symbols() == {"OANDA:EUR_USD"}
    finnhub.receive(complaint, NOW)
    assert finnhub.refused_symbols() == {"OANDA:EUR_USD", "IC MARKETS:1"}
    finnhub.receive(frame(element(s="OANDA:EUR_USD", v=0)), NOW)
    assert finnhub.refused_symbols() == {"IC MARKETS:1"}
    finnhub.connected(NOW)
    assert finnhub.refused_symbols() == frozenset()


def test_symbols_change_on_an_open_connection():
    finnhub = source()
    finnhub.frames_to_send(50)
    finnhub.want(("TSLA", "AAPL"))
    assert finnhub.symbols == ("TSLA", "AAPL")
    frames = [json.loads(text) for text in finnhub.frames_to_send(50)]
    assert [(f["type"], f["symbol"]) for f in frames] == [
        *(("unsubscribe", symbol) for symbol in SYMBOLS[1:]),
        ("subscribe", "AAPL"),
    ]


def test_what_still_comes_for_a_symbol_that_left_is_ignored_and_its_neighbours_are_not():
    finnhub = source()
    finnhub.frames_to_send(50)
    finnhub.want(("TSLA",))
    events = finnhub.receive(frame(element(s="IC MARKETS:1"), element()), NOW)
    assert events[0] == Ignored("unsubscribed")
    assert events[1].symbol == "TSLA"


def test_suspicion_of_a_symbol_that_left_is_void():
    finnhub = source()
    finnhub.frames_to_send(50)
    finnhub.receive(b'{"type":"error","msg":"Subscribing to too many symbols"}', NOW)
    assert finnhub.refused_symbols() == {"OANDA:EUR_USD"}
    finnhub.want(("TSLA",))
    assert finnhub.refused_symbols() == frozenset()
