"""What the live page is given, out of rows as the driver returns them."""

from datetime import UTC, datetime

import pytest

from deploy.console import view

MINUTE_MS = 60_000
T0 = 1_700_000_040_000  # a whole minute


def moment(ms):
    return datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)  # the driver's datetimes are naive and mean UTC


def a_candle(start_ms, close=2.0):
    return (moment(start_ms), 1.0, 3.0, 0.5, close, 10.0, 4, 1, 1.0, "none", "final", 6)


def a_gap(start, end, state="closed", cause="feed_down"):
    return (moment(start), moment(end), cause, "", state)


def test_candles_come_oldest_first_as_columns():
    columns = view.candles_json([a_candle(T0 + MINUTE_MS, close=2.5), a_candle(T0)])
    assert columns["start"] == [T0, T0 + MINUTE_MS]
    assert columns["close"] == [2.0, 2.5]
    assert set(columns) == set(view.CANDLE_COLUMNS)


def test_open_gap_has_no_end_and_has_lasted_until_now():
    (gap,) = view.gaps_json([a_gap(T0, 4_102_444_800_000, state="open")], T0, T0 + 5000)
    assert (gap["from"], gap["to"], gap["lasted_ms"]) == (T0, None, 5000)


@pytest.mark.parametrize(("begin", "end"), [(T0, T0), (T0 - 20, T0 - 10), (T0 - 20, T0)])
def test_gaps_that_are_empty_or_out_of_view_are_left_out(begin, end):
    assert view.gaps_json([a_gap(begin, end)], T0, T0 + MINUTE_MS) == []


def test_gap_that_reaches_into_view_keeps_its_own_borders():
    (gap,) = view.gaps_json([a_gap(T0 - 1000, T0 + 1)], T0, T0 + MINUTE_MS)
    assert (gap["from"], gap["to"]) == (T0 - 1000, T0 + 1)


def test_timeframes_are_those_that_have_a_table_shortest_first():
    tables = ["candles_1h", "candles_1m", "trades", "candles_10s", "candles_1m_history", "latest"]
    assert view.timeframes_of(tables) == ["10s", "1m", "1h"]


def test_feeds_are_sorted_by_name():
    feeds = view.feeds_json([("z", "live", "", moment(T0), moment(T0)), ("a", "down", "lost", moment(T0), moment(T0 + 1))])
    assert [(f["source"], f["state"], f["updated_at"]) for f in feeds] == [("a", "down", T0 + 1), ("z", "live", T0)]


def test_a_name_that_is_no_timeframe_is_refused():
    with pytest.raises(ValueError, match="no timeframe"):
        view.window_ms("1x")
