import json

import pytest

from producer.errors import RemoteError
from producer.history.ccxt_candles import read_candles
from producer.history.protocol import VendorCandle
from producer.sources.ccxt import BEFORE_US, Ccxt
from producer.sources.protocol import Ignored, Refused, Repeated, VenueError
from schemas.records import Loss, Trade

T = 1_580_500_821_158  # milliseconds
NOW = T * 1000 + 500_000
SYMBOLS = ("BTC/USD", "ETH/USD")


def source():
    ccxt = Ccxt(SYMBOLS, "ccxt-kraken")
    ccxt.connected(NOW)
    return ccxt


def trade(**changes):
    fields = {"id": "82047307", "timestamp": T, "symbol": "BTC/USD", "side": "buy", "price": "9314.78", "amount": "0.00513192"}
    return {**fields, **changes}


def frame(*trades, **more):
    return json.dumps({"trades": list(trades), **more}).encode()


def kinds(events):
    return [type(event) for event in events]


def test_trade_of_the_library_becomes_ours():
    assert source().receive(frame(trade()), NOW) == [
        Trade("ccxt-kraken", "BTC/USD", T * 1000, NOW, 9314.78, 0.00513192, side="buy", trade_id="82047307")
    ]


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"side": None}, "side", "unknown"),
        ({"side": ["buy"]}, "side", "unknown"),
        ({"id": None}, "trade_id", None),
        ({"id": ""}, "trade_id", None),
        ({"id": 7}, "trade_id", "7"),
        ({"price": 9314.5}, "price", 9314.5),
        ({"price": "1e-8"}, "price", 1e-8),
        ({"amount": 1}, "size", 1.0),
        ({"timestamp": float(T)}, "event_time", T * 1000),
    ],
)
def test_exchanges_differ_in_what_they_give(changes, field, expected):
    (event,) = source().receive(frame(trade(**changes)), NOW)
    assert getattr(event, field) == expected


def test_repeat_is_known_by_its_id_within_a_frame_after_it_and_after_a_reconnection():
    ccxt = source()
    assert kinds(ccxt.receive(frame(trade(), trade()), NOW)) == [Trade, Repeated]
    ccxt.connected(NOW)
    assert kinds(ccxt.receive(frame(trade(), trade(id="8")), NOW)) == [Repeated, Trade]


def test_equal_trades_without_ids_are_genuine_within_a_frame_and_repeats_after_it():
    ccxt = source()
    assert kinds(ccxt.receive(frame(trade(id=None), trade(id=None)), NOW)) == [Trade, Trade]
    assert kinds(ccxt.receive(frame(trade(id=None), trade(id=None)), NOW)) == [Repeated, Repeated]


def test_what_happened_before_our_time_is_not_ours():
    ccxt = source()
    old = trade(timestamp=T - BEFORE_US // 1000 - 1000)
    assert ccxt.receive(frame(old), NOW) == [Ignored("before_start")]
    ccxt.connected(NOW + 10 * BEFORE_US)  # a later connection: what lies before it may be what was missed
    assert kinds(ccxt.receive(frame(trade(id="9")), NOW)) == [Trade]


def test_page_that_does_not_reach_back_is_a_loss_between_its_trades():
    ccxt = source()
    ccxt.receive(frame(trade(id="1"), page="BTC/USD"), NOW)
    later = [trade(id=str(n), timestamp=T + 300 + n) for n in (5, 6)]
    *trades, loss = ccxt.receive(frame(*later, page="BTC/USD"), NOW)
    assert kinds(trades) == [Trade, Trade]
    assert loss == Loss(
        "BTC/USD", "lost_updates", T * 1000, (T + 305) * 1000, None, "the page does not reach back to the one before"
    )


def test_page_that_reaches_back_or_is_the_first_or_empty_is_no_loss():
    ccxt = source()
    first = trade(id="1")
    assert kinds(ccxt.receive(frame(first, page="BTC/USD"), NOW)) == [Trade]
    assert kinds(ccxt.receive(frame(first, trade(id="2", timestamp=T + 1), page="BTC/USD"), NOW)) == [Repeated, Trade]
    assert ccxt.receive(frame(page="BTC/USD"), NOW) == []
    assert kinds(ccxt.receive(frame(trade(id="3", symbol="ETH/USD"), page="ETH/USD"), NOW)) == [Trade]


def test_stream_frames_prove_no_loss_however_far_apart():
    ccxt = source()
    ccxt.receive(frame(trade(id="1")), NOW)
    assert kinds(ccxt.receive(frame(trade(id="5", timestamp=T + 300)), NOW)) == [Trade]


def test_symbols_are_named_to_the_link_at_the_callers_pace():
    ccxt = source()
    assert [json.loads(t) for t in ccxt.frames_to_send(1) + ccxt.frames_to_send(9)] == [{"subscribe": s} for s in SYMBOLS]
    assert ccxt.frames_to_send(9) == []


def test_symbols_change_while_connected():
    ccxt = source()
    ccxt.frames_to_send(9)
    ccxt.want(("ETH/USD", "SOL/USD"))
    assert ccxt.symbols == ("ETH/USD", "SOL/USD")
    assert [json.loads(t) for t in ccxt.frames_to_send(9)] == [{"unsubscribe": "BTC/USD"}, {"subscribe": "SOL/USD"}]
    assert ccxt.receive(frame(trade()), NOW) == [Ignored("unsubscribed")]
    assert kinds(ccxt.receive(frame(trade(symbol="SOL/USD")), NOW)) == [Trade]


def test_symbol_that_is_not_listed_is_refused_until_the_next_connection():
    ccxt = source()
    (complaint,) = ccxt.receive(b'{"refused":"ETH/USD"}', NOW)
    assert isinstance(complaint, VenueError)
    assert ccxt.refused_symbols() == {"ETH/USD"}
    ccxt.receive(b'{"refused":[1]}', NOW)
    assert ccxt.refused_symbols() == {"ETH/USD"}
    ccxt.connected(NOW)
    assert ccxt.refused_symbols() == frozenset()


def test_fetched_trades_are_never_admitted():
    (event,) = source().receive(frame(trade()), NOW)
    assert not source().admits(event)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "not_an_object"),
        (trade(symbol=None), "bad_symbol"),
        (trade(symbol="XRP/USD"), "unwanted_symbol"),
        (trade(price=None), "bad_price"),
        (trade(price="x"), "bad_price"),
        (trade(price="nan"), "bad_price"),
        (trade(price=float("nan")), "bad_price"),
        (trade(price=10**400), "bad_price"),
        (trade(price="1_0"), "bad_price"),
        (trade(price=0), "bad_price"),
        (trade(price=True), "bad_price"),
        (trade(amount="-1"), "bad_size"),
        (trade(amount="0"), "bad_size"),
        (trade(timestamp=None), "bad_time"),
        (trade(timestamp=T // 1000), "bad_time"),
        (trade(timestamp=T + 61_000), "bad_time"),
        (trade(id=["7"]), "bad_id"),
        (trade(id="x" * 300), "bad_id"),
        (trade(id="\ud800"), "bad_id"),
    ],
)
def test_one_bad_trade_never_loses_its_neighbours(bad, reason):
    first, middle, last = source().receive(frame(trade(id="1"), bad, trade(id="2")), NOW)
    assert kinds([first, last]) == [Trade, Trade]
    assert isinstance(middle, Refused)
    assert middle.error.reason == reason


def test_trade_nested_too_deeply_is_refused():
    (event,) = source().receive(b'{"trades":[' + b"[" * 1000 + b"]" * 1000 + b"]}", NOW)
    assert event.error.reason == "not_an_object"


@pytest.mark.parametrize(
    ("text", "reason"), [(b"{", "not_json"), (b"[]", "not_an_object"), (b"{}", "bad_data"), (b'{"trades":{}}', "bad_data")]
)
def test_frame_that_is_none_is_the_peers_error(text, reason):
    with pytest.raises(RemoteError) as refused:
        source().receive(text, NOW)
    assert refused.value.reason == reason


def test_rows_become_candles_and_what_is_none_becomes_one_that_is_dropped():
    rows = [[T, "1", 3.0, 0.5, 2, None], [T, 1, 3, 0.5, 2, "7.5"], [T], None, [None] * 6, ["x"] * 6, [T, 1, 2, 3, 10**400, 1]]
    good = VendorCandle(T * 1000, 1.0, 3.0, 0.5, 2.0, None)
    assert read_candles(rows)[:2] == (good, good._replace(volume=7.5))
    assert {candle.start for candle in read_candles(rows)[2:]} == {-1}
    assert read_candles(None) == ()
