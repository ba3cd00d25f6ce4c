import json

import pytest

from producer.errors import RemoteError
from producer.sources.coinbase import Coinbase
from producer.sources.coinbase_ids import SWAP_US
from producer.sources.coinbase_trade import event_time, trade_of
from producer.sources.protocol import Heartbeat, Ignored, Repeated, VenueError
from schemas.records import Loss, Trade

NOW = 1_787_628_957_500_000  # 2026-08-25T03:35:57.5Z
EVENT = NOW - 403_632
PRODUCTS = ("BTC-USD", "ETH-USD")


def source():
    coinbase = Coinbase(PRODUCTS)
    coinbase.connected(NOW)
    return coinbase


def match(number, **changes):
    fields = {
        "type": "match",
        "trade_id": number,
        "maker_order_id": "f07e",
        "taker_order_id": "55c8",
        "side": "sell",
        "size": "0.00000001",
        "price": "80691.53",
        "product_id": "BTC-USD",
        "sequence": 134905859981,
        "time": "2026-08-25T03:35:57.096368Z",
    }
    return json.dumps({**fields, **changes}).encode()


def heartbeat(last, product="BTC-USD", time="2026-08-25T03:35:58.000000Z"):
    frame = {"type": "heartbeat", "sequence": 90, "last_trade_id": last, "product_id": product, "time": time}
    return json.dumps(frame).encode()


def test_captured_match_becomes_a_trade_of_the_takers_side():
    assert source().receive(match(1081862674), NOW) == [
        Trade(
            "coinbase",
            "BTC-USD",
            EVENT,
            NOW,
            80691.53,
            1e-8,
            side="buy",
            trade_id="1081862674",
            venue_sequence=1081862674,
        )
    ]


@pytest.mark.parametrize(("maker", "taker"), [("sell", "buy"), ("buy", "sell"), (None, "unknown"), ([], "unknown")])
def test_side_is_the_other_than_the_makers(maker, taker):
    (trade,) = source().receive(match(1, side=maker), NOW)
    assert trade.side == taker


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2026-08-25T03:35:57Z", 0),
        ("2026-08-25T03:35:57.5Z", 500_000),
        ("2026-08-25T03:35:57.096Z", 96_000),
        ("2026-08-25T03:35:57.096368Z", 96_368),
        ("2026-08-25T03:35:57.096368999Z", 96_368),
    ],
)
def test_times_may_have_any_number_of_digits(text, us):
    assert event_time({"time": text}, "X", NOW) == NOW - 500_000 + us


def test_first_seam_lies_before_our_time_and_begins_the_count():
    coinbase = source()
    old = match(6, type="last_match", time="2020-01-01T00:00:00Z")
    assert coinbase.receive(old, NOW) == [Ignored("seam")]
    assert [type(e) for e in coinbase.receive(match(7), NOW)] == [Trade]
    assert coinbase.receive(heartbeat(7), NOW + SWAP_US) == [Heartbeat()]


def test_seam_after_a_reconnection_shows_what_was_missed_and_is_itself_a_trade():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    coinbase.connected(NOW + 1)
    (trade,) = coinbase.receive(match(11, type="last_match", time="2026-08-25T03:35:59Z"), NOW + 2)
    assert trade.trade_id == "11"
    assert coinbase.receive(heartbeat(11), NOW + 2 + SWAP_US) == [
        Heartbeat(),
        Loss("BTC-USD", "skipped_ids", EVENT, NOW + 1_500_000, 3, "ids 8 to 10"),
    ]


def test_seam_that_is_our_newest_proves_that_nothing_was_missed():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    coinbase.connected(NOW + 1)
    assert coinbase.receive(match(7, type="last_match"), NOW + 2) == [Ignored("seam")]
    assert coinbase.receive(heartbeat(7), NOW + 2 + SWAP_US) == [Heartbeat()]


def test_seam_behind_which_we_began_is_not_ours_after_a_reconnection_either():
    coinbase = source()
    for _ in range(3):
        for time in ("2026-08-25T03:30:00Z", "2020-01-01T00:00:00Z"):
            assert coinbase.receive(match(6, type="last_match", time=time), NOW) == [Ignored("seam")]
        coinbase.connected(NOW)
    assert [type(e) for e in coinbase.receive(match(7), NOW)] == [Trade]


def test_what_is_missing_and_not_told_yet_is_told_at_the_end():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    coinbase.receive(match(9), NOW)
    coinbase.receive(match(3, product_id="ETH-USD"), NOW)
    coinbase.receive(heartbeat(4, "ETH-USD"), NOW)
    assert [(loss.symbol, loss.detail) for loss in coinbase.owed(NOW)] == [("BTC-USD", "ids 8 to 8"), ("ETH-USD", "ids 4 to 4")]
    assert coinbase.owed(NOW) == []


def test_loss_without_length_lasts_a_microsecond():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    coinbase.receive(match(9), NOW)
    (_, loss) = coinbase.receive(heartbeat(9), NOW + SWAP_US)
    assert (loss.from_time, loss.to_time, loss.missing) == (EVENT, EVENT + 1, 1)


def test_heartbeat_shows_a_loss_at_the_tail_but_zero_says_nothing():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    assert coinbase.receive(heartbeat(0), NOW) == [Heartbeat()]
    assert coinbase.receive(heartbeat(9), NOW) == [Heartbeat()]
    (_, loss) = coinbase.receive(heartbeat(9), NOW + SWAP_US)
    assert (loss.from_time, loss.to_time, loss.missing) == (EVENT, NOW + 500_000, 2)


def test_products_have_ids_of_their_own():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    coinbase.receive(match(9, product_id="ETH-USD"), NOW)
    assert coinbase.receive(heartbeat(9, "ETH-USD"), NOW + SWAP_US) == [Heartbeat()]


def test_repeat_is_dropped_also_after_a_reconnection():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    coinbase.connected(NOW)
    assert coinbase.receive(match(7), NOW) == [Repeated("BTC-USD", "trade")]


def test_fetched_trade_is_admitted_once_and_never_after_the_stream():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    fields = json.loads(match(8, time="2020-01-01T00:00:00Z"))
    fetched = trade_of("coinbase", "BTC-USD", fields, NOW, backfill=True)
    assert fetched.backfill
    assert [coinbase.admits(fetched), coinbase.admits(fetched)] == [True, False]
    assert coinbase.receive(match(8), NOW) == [Repeated("BTC-USD", "trade")]
    assert not coinbase.admits(trade_of("coinbase", "BTC-USD", json.loads(match(7)), NOW, backfill=True))


def test_every_connection_subscribes_each_product_by_itself():
    coinbase = source()
    for _ in range(2):
        coinbase.connected(NOW)
        sent = [json.loads(text) for text in coinbase.frames_to_send(1) + coinbase.frames_to_send(10)]
        assert coinbase.frames_to_send(10) == []
        assert sent == [{"type": "subscribe", "product_ids": [p], "channels": ["matches", "heartbeat"]} for p in PRODUCTS]


def test_products_change_while_connected_and_what_is_traded_meanwhile_is_no_loss():
    coinbase = source()
    coinbase.frames_to_send(10)
    coinbase.receive(match(7), NOW)
    coinbase.want(("ETH-USD", "SOL-USD"))
    assert coinbase.symbols == ("ETH-USD", "SOL-USD")
    channels = ["matches", "heartbeat"]
    assert [json.loads(text) for text in coinbase.frames_to_send(10)] == [
        {"type": "unsubscribe", "product_ids": ["BTC-USD"], "channels": channels},
        {"type": "subscribe", "product_ids": ["SOL-USD"], "channels": channels},
    ]
    assert coinbase.receive(match(8), NOW) == [Ignored("unsubscribed")]
    assert coinbase.receive(heartbeat(8), NOW) == [Heartbeat()]
    fetched = trade_of("coinbase", "BTC-USD", json.loads(match(8)), NOW, backfill=True)
    assert not coinbase.admits(fetched)
    coinbase.want(("BTC-USD", "ETH-USD"))
    assert coinbase.receive(match(20, type="last_match"), NOW) == [Ignored("seam")]
    assert [type(e) for e in coinbase.receive(match(21), NOW)] == [Trade]
    assert coinbase.receive(heartbeat(21), NOW + SWAP_US) == [Heartbeat()]


def accepted(*products):
    channels = [{"name": n, "product_ids": list(products), "account_ids": None} for n in ("matches", "heartbeat")]
    return json.dumps({"type": "subscriptions", "channels": channels}).encode()


def refusal(**more):
    return json.dumps({"type": "error", "message": "Failed to subscribe", **more}).encode()


def test_refused_product_is_told_until_it_is_accepted_or_the_connection_is_another():
    coinbase = source()
    coinbase.frames_to_send(10)
    complaint = refusal(reason="ETH-USD is not a valid product")
    assert coinbase.receive(complaint, NOW) == [VenueError("Failed to subscribe: ETH-USD is not a valid product")]
    assert coinbase.receive(accepted("BTC-USD"), NOW) == [Heartbeat()]
    assert coinbase.refused_symbols() == {"ETH-USD"}
    coinbase.receive(accepted("BTC-USD", "ETH-USD"), NOW)
    assert coinbase.refused_symbols() == frozenset()
    coinbase.receive(complaint, NOW)
    coinbase.connected(NOW)
    assert coinbase.refused_symbols() == frozenset()


def test_refusal_that_names_no_product_means_the_oldest_without_an_answer():
    coinbase = source()
    coinbase.frames_to_send(10)
    coinbase.receive(accepted("BTC-USD"), NOW)
    coinbase.receive(refusal(), NOW)
    assert coinbase.refused_symbols() == {"ETH-USD"}


@pytest.mark.parametrize("text", ["ErrSlowConsume", "Message too big"])
def test_other_complaints_refuse_nothing(text):
    coinbase = source()
    coinbase.frames_to_send(10)
    assert coinbase.receive(json.dumps({"type": "error", "message": text}).encode(), NOW) == [VenueError(text)]
    assert coinbase.refused_symbols() == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"{}", [Ignored("unknown_type")]),
        (b'{"type":"ticker"}', [Ignored("unknown_type")]),
        (b'{"type":["match"]}', [Ignored("unknown_type")]),
        (b'{"type":"subscriptions"}', [Heartbeat()]),
        (b'{"type":"subscriptions","channels":[7,{"name":"matches","product_ids":[{}]}]}', [Heartbeat()]),
        (b'{"type":"error"}', [VenueError("an error without a text")]),
    ],
)
def test_frames_that_hold_no_trade(text, expected):
    assert source().receive(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "reason", "symbol"),
    [
        (b'{"type":"mat', "not_json", None),
        (b"\xff", "not_json", None),
        (b"[]", "not_an_object", None),
        (match(7, product_id=None), "bad_symbol", None),
        (match(7, product_id="DOGE-USD"), "unwanted_symbol", "DOGE-USD"),
        (match("7"), "bad_id", "BTC-USD"),
        (match(0), "bad_id", "BTC-USD"),
        (match(2**63), "bad_id", "BTC-USD"),
        (match(7, price=80691.53), "bad_price", "BTC-USD"),
        (match(7, price="-1"), "bad_price", "BTC-USD"),
        (match(7, price="NaN"), "bad_price", "BTC-USD"),
        (match(7, price="1e999"), "bad_price", "BTC-USD"),
        (match(7, price="1_0"), "bad_price", "BTC-USD"),
        (match(7, size="0"), "bad_size", "BTC-USD"),
        (match(7, time="2026-08-25 03:35:57"), "bad_time", "BTC-USD"),
        (match(7, time="2026-13-25T03:35:57Z"), "bad_time", "BTC-USD"),
        (match(7, time="2026-08-25T03:37:57Z"), "bad_time", "BTC-USD"),
        (match(7, time="2026-08-15T03:35:57Z"), "bad_time", "BTC-USD"),
        (match(7, time=1787629), "bad_time", "BTC-USD"),
        (b'{"type":"match","product_id":"BTC-USD","trade_id":7}', "missing_field", "BTC-USD"),
        (b'{"type":"heartbeat","product_id":"BTC-USD"}', "missing_field", "BTC-USD"),
        (heartbeat("9"), "bad_id", "BTC-USD"),
    ],
)
def test_frame_that_is_none_is_the_peers_error(text, reason, symbol):
    with pytest.raises(RemoteError) as refused:
        source().receive(text, NOW)
    assert (refused.value.reason, refused.value.symbol) == (reason, symbol)


def test_refused_match_leaves_a_hole_that_is_told():
    coinbase = source()
    coinbase.receive(match(7), NOW)
    with pytest.raises(RemoteError):
        coinbase.receive(match(8, price="-1"), NOW)
    coinbase.receive(match(9), NOW)
    (_, loss) = coinbase.receive(heartbeat(9), NOW + SWAP_US)
    assert (loss.cause, loss.missing) == ("skipped_ids", 1)
