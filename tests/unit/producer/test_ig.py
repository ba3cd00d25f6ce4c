import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.errors import RemoteError
from producer.ig import frames
from producer.sources.ig import Ig
from producer.sources.protocol import Heartbeat, Ignored, Refused, VenueError
from schemas.records import Loss, Quote, Trade

EURUSD, APPLE = "CS.D.EURUSD.MINI.IP", "UA.D.AAPL.CASH.IP"
NOW = 1_795_575_182_000_000
T = NOW // 1000 - 150
MOVED = ["BIDPRICE1", "ASKPRICE1", "TIMESTAMP"]
FIELDS = {
    "BIDPRICE1": "1.0831",
    "ASKPRICE1": "1.08325",
    "BIDSIZE1": "5",
    "ASKSIZE1": "0.5",
    "TIMESTAMP": str(T),
    "DLG_FLAG": "DEAL    ",
    "DELAY": "0",
}
TICK = {"BID": "22797.3", "OFR": "22801.3", "LTP": "22801.3", "LTV": "5", "TTV": "120", "UTM": str(T)}


def source(**options):
    made = Ig((EURUSD, APPLE), **{"scales": {}, **options})
    made.connected(NOW)
    return made


def price(epic=EURUSD, changed=MOVED, snapshot=False, **fields):
    return frames.frame(type="price", epic=epic, snapshot=snapshot, changed=changed, fields={**FIELDS, **fields})


def tick(changed=("LTP", "LTV", "TTV", "UTM"), **fields):
    return frames.frame(type="tick", epic=APPLE, snapshot=False, changed=list(changed), fields={**TICK, **fields})


def test_update_is_a_quote_with_the_venues_time():
    (quote,) = source().receive(price(), NOW)
    assert quote == Quote("ig", EURUSD, T * 1000, NOW, 1.0831, 1.08325, 5.0, 0.5)


def test_sizes_that_are_left_out_are_zero():
    (quote,) = source().receive(price(BIDSIZE1=None, ASKSIZE1=None), NOW)
    assert (quote.bid_size, quote.ask_size) == (0.0, 0.0)


@pytest.mark.parametrize("side", ["BIDPRICE1", "ASKPRICE1"])
def test_update_without_a_side_is_no_quote(side):
    assert source().receive(price(**{side: None}), NOW) == [Ignored("no_price")]


def test_change_of_the_dealing_flag_alone_is_no_quote():
    assert source().receive(price(changed=["DLG_FLAG"], DLG_FLAG="CALL    "), NOW) == [Ignored("flag_only")]


def test_prices_in_points_are_divided_exactly():
    scaled = source(scales={EURUSD: Decimal(10_000)})
    (quote,) = scaled.receive(price(BIDPRICE1="11515.8", ASKPRICE1="11516.7"), NOW)
    assert (quote.bid, quote.ask) == (1.15158, 1.15167)


def test_scale_that_is_to_be_told_is_awaited():
    told = source(scales=None)
    (refused,) = told.receive(price(), NOW)
    assert (refused.error.reason, refused.error.symbol) == ("unknown_scale", EURUSD)
    assert told.receive(frames.frame(type="scale", epic=EURUSD, divisor="100"), NOW) == [Ignored("scale")]
    (quote,) = told.receive(price(), NOW)
    assert quote.bid == 0.010831


def test_beginning_of_a_subscription_is_a_marked_quote_unless_it_is_known_or_old():
    ig = source()
    (first,) = ig.receive(price(snapshot=True), NOW)
    assert first.snapshot
    assert ig.receive(price(snapshot=True), NOW + 1) == [Ignored("repeated_snapshot")]
    assert source().receive(price(snapshot=True), NOW + 16 * 60_000_000) == [Ignored("old_snapshot")]
    (changed,) = ig.receive(price(snapshot=True, BIDPRICE1="1.0829"), NOW)
    assert changed.bid == 1.0829


def test_same_quote_again_is_published_for_only_a_beginning_repeats():
    ig = source()
    assert [len(ig.receive(price(), NOW)) for _ in range(2)] == [1, 1]
    assert all(isinstance(e, Quote) for e in ig.receive(price(), NOW))


def ticking():
    ig = source(traded=frozenset({APPLE}))
    assert ig.receive(tick(), NOW) == [Ignored("first_tick")]
    return ig


def test_trade_moves_the_days_volume_and_a_tick_of_the_book_repeats_the_last():
    ig = ticking()
    assert ig.receive(tick(), NOW) == [Trade("ig", APPLE, T * 1000, NOW, 22801.3, 5.0)]
    assert ig.receive(tick(changed=["BID", "OFR", "UTM"]), NOW) == [Ignored("no_trade")]
    assert ig.receive(tick(changed=["BID", "LTP"], LTP=None), NOW) == [Ignored("no_trade")]


def test_first_tick_of_a_subscription_cannot_be_told_from_a_repeat():
    ig = ticking()
    ig.connected(NOW)
    assert ig.receive(tick(), NOW) == [Ignored("first_tick")]


def test_without_a_days_volume_a_changed_trade_is_one():
    ig = ticking()
    assert isinstance(ig.receive(tick(changed=["LTV"], TTV=None), NOW)[0], Trade)
    assert ig.receive(tick(changed=["BID"], TTV=None), NOW) == [Ignored("no_trade")]


def test_trade_without_a_size_is_a_price_update():
    (update,) = ticking().receive(tick(LTV=None), NOW)
    assert (update.kind, update.size) == ("update", 0.0)


def test_each_item_has_a_subscription_of_its_own_and_a_new_connection_begins_anew():
    ig = source(traded=frozenset({APPLE}))
    wishes = [frames.wish(text) for text in ig.frames_to_send(10)]
    assert wishes == [
        (True, "heartbeat", ""), (True, "price", EURUSD), (True, "price", APPLE), (True, "tick", APPLE),
    ]  # fmt: skip
    assert ig.frames_to_send(10) == []
    ig.connected(NOW)
    assert [len(ig.frames_to_send(3)), len(ig.frames_to_send(3))] == [3, 1]


def test_epics_change_while_connected():
    ig = source(traded=frozenset({APPLE}))
    ig.frames_to_send(10)
    ig.want((APPLE, "NEW"))
    assert [frames.wish(text) for text in ig.frames_to_send(10)] == [(False, "price", EURUSD), (True, "price", "NEW")]
    assert ig.symbols == (APPLE, "NEW")
    assert ig.receive(price(), NOW) == [Ignored("unsubscribed")]
    assert isinstance(ig.receive(price(epic="NEW"), NOW)[0], Quote)


def test_heartbeat_leaves_its_subscription_to_an_epic_that_is_added_and_takes_it_again():
    ig = source()
    ig.want(tuple(f"E{n}" for n in range(39)))
    ig.frames_to_send(100)
    ig.want(tuple(f"E{n}" for n in range(40)))
    assert [frames.wish(text) for text in ig.frames_to_send(10)] == [(False, "heartbeat", ""), (True, "price", "E39")]
    ig.want(tuple(f"E{n}" for n in range(39)))
    assert [frames.wish(text) for text in ig.frames_to_send(10)] == [(False, "price", "E39"), (True, "heartbeat", "")]


def test_refused_epic_is_named_and_the_others_go_on():
    ig = source()
    (told,) = ig.receive(frames.frame(type="refused", epic=APPLE, of="price", code=21, message="Invalid group"), NOW)
    assert told == VenueError(f"{APPLE}: prices refused with code 21: Invalid group")
    assert ig.refused_symbols() == {APPLE}
    assert isinstance(ig.receive(price(), NOW)[0], Quote)
    ig.connected(NOW)
    assert ig.refused_symbols() == frozenset()


def test_refused_trades_do_not_refuse_the_epic():
    ig = source(traded=frozenset({APPLE}))
    ig.receive(frames.frame(type="refused", epic=APPLE, of="tick", code=-1, message=""), NOW)
    assert ig.refused_symbols() == frozenset()


def test_dropped_updates_are_a_loss_since_the_last_that_came():
    ig = source()
    ig.receive(price(), NOW)
    (loss,) = ig.receive(frames.frame(type="lost", epic=EURUSD, of="price", count=3), NOW + 500_000)
    assert loss == Loss(EURUSD, "lost_updates", T * 1000, NOW + 500_000, 3, "the venue dropped price updates")


def test_what_we_gave_up_is_an_overflow_with_its_own_borders():
    (loss,) = source().receive(frames.frame(type="overflow", epic=EURUSD, count=7, **{"from": NOW - 9, "to": NOW - 2}), NOW)
    assert (loss.cause, loss.from_time, loss.to_time, loss.missing) == ("overflow", NOW - 9, NOW - 2, 7)


def test_market_is_closed_when_every_epic_says_so():
    ig = source()
    ig.receive(price(changed=["DLG_FLAG"], DLG_FLAG="CLOSED  "), NOW)
    assert not ig.is_market_closed()
    ig.receive(price(epic=APPLE, changed=["DLG_FLAG"], DLG_FLAG="SUSPEND"), NOW)
    assert ig.is_market_closed()
    ig.receive(price(epic=APPLE), NOW)
    assert not ig.is_market_closed()


def test_delayed_prices_are_complained_of_once():
    ig = source()
    assert [type(e) for e in ig.receive(price(DELAY="1"), NOW)] == [VenueError, Quote]
    assert [type(e) for e in ig.receive(price(DELAY="1"), NOW)] == [Quote]


def test_heartbeats_are_only_signs_of_life():
    assert source().receive(frames.frame(type="heartbeat"), NOW) == [Heartbeat()]
    assert source().receive(frames.frame(type="alive"), NOW) == [Heartbeat()]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"BIDPRICE1": "n/a"}, "bad_number"),
        ({"BIDPRICE1": "-1.5"}, "bad_number"),
        ({"BIDPRICE1": "1e3"}, "bad_number"),
        ({"BIDPRICE1": "1_0"}, "bad_number"),
        ({"BIDPRICE1": "0"}, "bad_price"),
        ({"ASKPRICE1": ""}, "bad_price"),
        ({"BIDSIZE1": "inf"}, "bad_number"),
        ({"TIMESTAMP": None}, "bad_time"),
        ({"TIMESTAMP": "20:10:11"}, "bad_time"),
        ({"TIMESTAMP": str(T // 1000)}, "bad_time"),  # seconds by mistake
        ({"TIMESTAMP": str(T + 120_000)}, "bad_time"),
    ],
)
def test_bad_value_is_refused_alone_with_its_frame(fields, reason):
    frame = price(**fields)
    (refused,) = source().receive(frame, NOW)
    assert (refused.value, refused.error.reason, refused.error.symbol) == (frame, reason, EURUSD)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "not_json"),
        (b"[]", "unknown_frame"),
        (b'{"type":"quote"}', "unknown_frame"),
        (b'{"type":"price","epic":7}', "unknown_frame"),
        (b'{"type":"price","epic":"CS.D.EURUSD.MINI.IP"}', "bad_update"),
        (price(epic="XX"), "unwanted_symbol"),
        (frames.frame(type="lost", epic=EURUSD, of="price", count="3"), "bad_frame"),
        (frames.frame(type="refused", epic=EURUSD, of="all", code=1, message=""), "bad_frame"),
        (frames.frame(type="refused", epic=EURUSD, of="price", code=1), "bad_frame"),
        (frames.frame(type="scale", epic=EURUSD, divisor="0"), "bad_frame"),
    ],
)
def test_frame_that_is_not_the_links_is_an_error(frame, reason):
    with pytest.raises(RemoteError) as caught:
        source().receive(frame, NOW)
    assert caught.value.reason == reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([EURUSD, "price", *FIELDS.values()]),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.sampled_from([*FIELDS, *TICK, "x"]), children, max_size=4)
    ),
    max_leaves=5,
)
VALUES = {name: st.sampled_from([None, value, "", "x"]) | JSON for name, value in {**FIELDS, **TICK}.items()}
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["price", "tick", "scale", "refused", "lost", "overflow", "subscribed", "heartbeat", "?"])},
    optional={
        "epic": st.sampled_from([EURUSD, APPLE, "XX"]) | JSON,
        "fields": st.fixed_dictionaries({}, optional=VALUES),
        "changed": st.lists(st.sampled_from([*FIELDS, *TICK]), max_size=3) | JSON,
        "snapshot": st.booleans() | JSON,
        "of": st.sampled_from(["price", "tick"]) | JSON,
        **{name: st.integers(-5, 10**17) | JSON for name in ("count", "from", "to", "code", "divisor")},
        "message": st.text(max_size=5) | JSON,
    },
)


@given(st.lists(st.binary(max_size=60) | MESSAGES.map(lambda m: json.dumps(m).encode()), max_size=6))
def test_law_11_totality_any_frame_gives_events_or_a_documented_error(payloads):
    ig = source(scales=None)
    for payload in payloads:
        try:
            events = ig.receive(payload, NOW)
        except RemoteError:
            continue
        for event in events:
            assert isinstance(event, Quote | Trade | Loss | Heartbeat | Ignored | Refused | VenueError)
            if isinstance(event, Quote):
                assert 0 < event.bid < 1e19
                assert 0 < event.ask < 1e19
            if isinstance(event, Loss):
                assert event.from_time <= event.to_time


def test_frames_are_plain_json():
    assert orjson.loads(price())["fields"]["BIDPRICE1"] == "1.0831"
    assert frames.wish(frames.wish_for("unsubscribe", f"tick {APPLE}")) == (False, "tick", APPLE)
    assert frames.item_of("price", EURUSD, "ABC") == f"PRICE:ABC:{EURUSD}"
    assert frames.item_of("tick", EURUSD, "ABC") == f"CHART:{EURUSD}:TICK"
