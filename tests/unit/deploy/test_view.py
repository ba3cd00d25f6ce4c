"""What the live page is given out of Cassandra's rows: records under the names that they have on the topics."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from deploy.console import account, view
from processor.core.rolls import parse_rolls, timeframes_of
from schemas.records import Candle, Gap
from schemas.timeframes import parse

MINUTE_US = 60_000_000
T0 = 1_700_000_040_000_000  # a whole minute
FAR = 4_102_444_800_000_000


def moment(us):
    return datetime.fromtimestamp(us / 1e6, UTC).replace(tzinfo=None)  # the driver's datetimes are naive and mean UTC


def a_candle(start_us, close=2.0):
    return (moment(start_us), 1.0, 3.0, 0.5, close, 10.0, 4, 1, 2, start_us + 7, 6, "final", "none", "trades", 1.0, "none", "sim")


def a_gap(start, end, state="closed", cause="feed_down", missing=-1):
    return (f"g{start}", start, end, cause, "", state, missing, 5, True, "")


def test_candles_come_oldest_first_under_their_records_names():
    candles = view.candles_json("sim:X", parse("5m"), [a_candle(T0 + 5 * MINUTE_US, close=2.5), a_candle(T0)])
    assert [(c["start"], c["end"], c["close"]) for c in candles] == [
        (T0, T0 + 5 * MINUTE_US, 2.0),
        (T0 + 5 * MINUTE_US, T0 + 10 * MINUTE_US, 2.5),
    ]
    assert candles[0]["last_event_time"] == T0 + 7
    assert {c for candle in candles for c in candle} <= {f.name for f in fields(Candle)}
    assert {(c["series"], c["timeframe"]) for c in candles} == {("sim:X", "5m")}


def test_a_rolled_days_end_is_the_next_roll():
    rolls = parse_rolls("ig:*=17:00 America/New_York")
    (day,) = timeframes_of((parse("1d"),), rolls, "ig:X")
    hour_us = 60 * MINUTE_US
    # New York's clocks go forward on 2026-03-08: 22:00 UTC on the 7th, 21:00 on the 8th.
    start = int(datetime(2026, 3, 7, 22, tzinfo=UTC).timestamp()) * 1_000_000
    found = view.candles_json("ig:X", day, [a_candle(start + 23 * hour_us), a_candle(start), a_candle(start - 24 * hour_us)])
    assert [(c["end"] - c["start"]) // hour_us for c in found] == [24, 23, 24]
    assert [c["timeframe"] for c in found] == ["1d"] * 3


def test_an_open_gap_has_no_end_and_a_number_that_is_not_known_is_null():
    rows = [a_gap(T0 + 9, FAR, state="open"), a_gap(T0, T0 + 3, missing=2)]
    gaps = view.gaps_json("sim:X", rows)
    assert [(g["from_time"], g["to_time"], g["missing"]) for g in gaps] == [(T0, T0 + 3, 2), (T0 + 9, None, None)]
    assert {g for gap in gaps for g in gap} <= {f.name for f in fields(Gap)}


def test_timeframes_are_those_that_have_a_table_shortest_first():
    tables = ["candles_1h", "candles_1m", "trades", "candles_10s", "candles_1m_history", "latest"]
    assert view.timeframes_of(tables) == ["10s", "1m", "1h"]


def test_feeds_are_sorted_by_name_and_in_microseconds():
    feeds = view.feeds_json([("z", "live", "", moment(T0), moment(T0)), ("a", "down", "lost", moment(T0), moment(T0 + 1000))])
    assert [(f["source"], f["state"], f["updated_at"]) for f in feeds] == [("a", "down", T0 + 1000), ("z", "live", T0)]


def test_an_account_is_read_back_as_it_was_left_until_it_is_forgotten(tmp_path):
    file = account.kept_in(tmp_path)
    assert account.read(file) is None
    account.leave(tmp_path, {"trades_sent": 3}, balances=False)
    account.leave(tmp_path, {"trades_sent": 4}, balances=True)
    assert account.read(file) == {"trades_sent": 4, "balances": True}
    account.forget(tmp_path)
    account.forget(tmp_path)
    assert account.read(file) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_what_is_no_account_is_none(tmp_path, text):
    account.kept_in(tmp_path).write_text(text, encoding="latin-1")
    assert account.read(account.kept_in(tmp_path)) is None
