"""Coinbase: any bytes give events or the documented error; every id comes once or is told; any hole is found in few pages."""

import json
import math
from contextlib import suppress
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from producer.errors import RemoteError
from producer.history.coinbase_pages import PAGE, Place, place_of, read_candles, read_trades, step
from producer.sources.coinbase import Coinbase
from producer.sources.coinbase_ids import SWAP_US, TradeIds
from producer.sources.protocol import Heartbeat, Ignored, Repeated, VenueError
from schemas.codec import Encoder
from schemas.records import Loss, Trade

NOW = 1_787_628_957_500_000
MATCH = {
    "type": "match",
    "trade_id": 7,
    "side": "sell",
    "size": "0.00000001",
    "price": "80691.53",
    "product_id": "A-B",
    "sequence": 134905859981,
    "time": "2026-08-25T03:35:57.096368Z",
}
HEARTBEAT = {"type": "heartbeat", "last_trade_id": 9, "product_id": "A-B", "time": "2026-08-25T03:35:57.000000Z"}
SUBSCRIPTIONS = {"type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["A-B"], "account_ids": None}]}
ERROR = {"type": "error", "message": "Failed to subscribe", "reason": "A-B is not a valid product"}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from([2**63, "1e400", "9" * 50]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "product_ids"]), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(sorted({*MATCH, *HEARTBEAT, *SUBSCRIPTIONS, *ERROR}))
EVENTS = (Trade, Loss, Heartbeat, Ignored, Repeated, VenueError)


def coinbase():
    source = Coinbase(("A-B",))
    source.connected(NOW)
    source.frames_to_send(10)
    return source


def check(source, frame):
    with suppress(RemoteError):
        for event in source.receive(frame, NOW):
            assert isinstance(event, EVENTS)
            if isinstance(event, Trade):
                assert Encoder(Trade, 1)(event)
                assert 0 < event.price < math.inf


@given(st.binary(max_size=300))
def test_any_bytes_give_events_or_the_documented_error(data):
    check(coinbase(), data)
    with suppress(RemoteError):
        read_candles(data)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.tuples(
            st.sampled_from([MATCH, {**MATCH, "type": "last_match"}, HEARTBEAT, SUBSCRIPTIONS, ERROR]),
            st.dictionaries(FIELDS, ANY_JSON, max_size=3),
        ),
        max_size=6,
    )
)
def test_damaged_frames_give_events_or_the_documented_error(frames):
    source = coinbase()
    for frame, damage in frames:
        check(source, json.dumps({**frame, **damage}).encode())


@given(st.sampled_from([MATCH, HEARTBEAT, SUBSCRIPTIONS, ERROR]), st.integers(0, 400), st.binary(max_size=3))
def test_frames_with_other_bytes_in_them_give_events_or_the_documented_error(frame, at, other):
    text = json.dumps(frame).encode()
    check(coinbase(), text[:at] + other + text[at + len(other) :])


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(ANY_JSON, max_size=5))
def test_any_rows_give_trades_and_candles_or_are_counted(rows):
    trades, unusable = read_trades("coinbase", "A-B", rows, NOW)
    assert unusable + len(trades) <= len(rows)
    assert len(read_candles(rows)) == len(rows)


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=40), st.integers(0, 4))
def test_every_id_between_the_first_and_the_newest_came_or_is_told_once(arrivals, fetched):
    """Arrivals in any order, some of them fetched; time passes as it does, so some holes are judged before they are filled."""
    ids, came, told = TradeIds(), [], []
    for step_number, (number, late) in enumerate(arrivals):
        now = step_number * SWAP_US // 2
        if late and ids.newest is not None and number < ids.newest and fetched:
            if ids.claim(number, number):
                came.append(number)
        elif ids.take(number, number, now):
            came.append(number)
        told += [n for s in ids.judge(now) for n in range(s.first, s.last + 1)]
    told += [n for s in ids.judge(10**12) for n in range(s.first, s.last + 1)]
    assert len(came) == len(set(came))
    assert len(told) == len(set(told)), "told twice"
    if ids.newest is None:
        return
    first = next(number for number, _ in arrivals)
    missing = set(range(first, ids.newest + 1)) - set(came)
    assert missing <= set(told)
    # What was told and came after all is in the trades too; nothing else is told.
    assert set(told) - missing <= set(came)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=40),
    st.integers(1, 200),
    st.tuples(st.integers(0, 100), st.integers(0, 100)),
)
def test_any_hole_is_found_whole_in_few_pages(paces, stretch, borders):
    """A venue whose pace changes from stretch to stretch; the hole is anywhere."""
    times = list(accumulate(pace for pace in paces for _ in range(stretch)))
    trades = [Trade("c", "A-B", NOW + us, NOW, 1.0, 1.0, venue_sequence=n + 1) for n, us in enumerate(times)]
    begin, end = sorted(b * (times[-1] + 10) // 100 for b in borders)
    begin, end = trades[0].event_time - times[0] + begin, trades[0].event_time - times[0] + end
    place, found, pages = Place(), {}, 0
    while place is not None:
        above = len(trades) if place.after is None else min(place.after - 1, len(trades))
        got = step(trades[max(0, above - PAGE) : above], place, begin, end)
        assert not got.missing
        found |= {t.venue_sequence: t for t in got.trades}
        place = None if got.rest is None else place_of(str(got.rest))
        pages += 1
    assert sorted(found) == [t.venue_sequence for t in trades if begin <= t.event_time <= end]
    assert pages <= len(found) / PAGE + math.log2(len(trades)) + 4
