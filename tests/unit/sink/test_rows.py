import math
from dataclasses import replace

import pytest

from schemas.records import Quote
from schemas.timeframes import DAY, HOUR, MINUTE, SECOND
from sink.batches import coalesce
from sink.overrides import Retention
from sink.rows import (
    OPEN_ENDED_US,
    RefusedError,
    candle_row,
    gap_row,
    identity,
    position_row,
    quote_row,
    trade_row,
    version_row,
)
from sink.tables import CANDLE_COLUMNS, COLUMNS, statements
from tests.support.feeding import a_candle, a_gap, a_trade

NOW = 1_800_000_000_000_000
START = NOW // MINUTE * MINUTE
KEEP = Retention({"1m": 0, "trades": 0, "quotes": 0, "gaps": 0, "candle_versions": 0})


def columns_of(row):
    names = (CANDLE_COLUMNS if row.table.startswith("candles_") else COLUMNS[row.table]).split()
    assert len(names) == len(row.values)
    assert None not in row.values, "a null is drawn as zero or as year 1"
    return dict(zip(names, row.values, strict=True))


def a_quote(**changes):
    return replace(Quote("sim", "X", NOW, NOW + 5, 1.0, 1.5, 2.0, 3.0, venue_sequence=9, epoch=1, sequence=7), **changes)


def test_a_candle_is_stamped_with_its_start_and_version():
    row = candle_row(a_candle(START, 7), KEEP, NOW)
    assert row.stamp == START + 8
    columns = columns_of(row)
    assert (row.table, columns["series"], columns["start"]) == ("candles_1m", "sim:X", START // 1000)
    assert columns["close"] == 1.1 + 7 / 3
    assert columns["version"] == 8


def test_a_live_candle_goes_into_the_row_of_the_final_one():
    live, final = (candle_row(a_candle(START, 7, closed=closed), KEEP, NOW) for closed in (False, True))
    assert live[:3] == final[:3]
    assert live.stamp < final.stamp


def a_version(count, published_us, **changes):
    candle = a_candle(START, count, updated_at=published_us, **changes)
    return version_row(candle, candle_row(candle, KEEP, NOW), KEEP)


def test_each_version_of_a_closed_candle_is_a_row_of_its_own():
    one, other = a_version(7, START + MINUTE), a_version(8, START + 2 * MINUTE, state="revised")
    assert one[:2] == other[:2]
    assert one.key != other.key
    columns = columns_of(one)
    assert (columns["timeframe"], columns["version"], columns["published_us"]) == ("1m", 8, START + MINUTE)
    assert columns["updated_at"] == (START + MINUTE) // 1000
    assert a_version(7, START + MINUTE, closed=False) is None


def test_the_first_publication_of_a_version_stays_in_any_order():
    first, again = a_version(7, START + MINUTE), a_version(7, START + 5 * MINUTE)
    assert first[:3] == again[:3]
    assert first.stamp > again.stamp
    for order in ([first, again], [again, first]):
        assert coalesce(order) == [first]


def test_all_versions_of_a_candle_expire_together():
    keep = Retention({"1m": 0, "candle_versions": 60})
    candles = [a_candle(START, n, updated_at=START + n * HOUR) for n in (1, 500)]
    assert {version_row(c, candle_row(c, keep, NOW), keep).expires_us for c in candles} == {START + 60 * SECOND}


@pytest.mark.parametrize("field", ["open", "high", "low", "close", "volume", "vwap", "coverage"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_candle_with_a_number_that_is_none_is_refused(field, number):
    with pytest.raises(RefusedError) as refusal:
        candle_row(a_candle(START, 1, **{field: number}), KEEP, NOW)
    assert refusal.value.reason == "invalid"


def test_a_candle_more_than_a_day_ahead_is_refused_and_no_sooner():
    candle_row(a_candle(NOW + DAY, 1), KEEP, NOW)
    with pytest.raises(RefusedError) as refusal:
        candle_row(a_candle(NOW + DAY + 1, 1), KEEP, NOW)
    assert refusal.value.reason == "too_far_ahead"


def test_a_raised_generation_may_stamp_ahead():
    assert candle_row(a_candle(START, 1, version=10**12), KEEP, NOW).stamp > NOW + DAY


def test_a_timeframe_without_a_table_is_refused():
    with pytest.raises(RefusedError) as refusal:
        candle_row(a_candle(START, 1, timeframe="7m"), KEEP, NOW)
    assert refusal.value.reason == "unknown_timeframe"


def test_rows_expire_from_their_own_time():
    retention = Retention({"1m": 60, "trades": 61, "quotes": 62, "gaps": 63})
    assert candle_row(a_candle(START, 1), retention, NOW).expires_us == START + 60 * SECOND
    late = a_trade(1, NOW - HOUR, receive_time=NOW)
    assert trade_row(late, retention, NOW).expires_us == late.event_time + 61 * SECOND
    assert quote_row(a_quote(), retention, NOW).expires_us == NOW + 62 * SECOND
    assert gap_row(a_gap(START, START + 5), retention, NOW).expires_us == START + 63 * SECOND


def test_an_open_gap_has_an_end_far_away_and_keeps_its_microseconds():
    columns = columns_of(gap_row(a_gap(START + 123_456, None), KEEP, NOW))
    assert columns["to_us"] == OPEN_ENDED_US
    assert columns["end"] == OPEN_ENDED_US // 1000
    assert columns["from_us"] == START + 123_456
    assert columns["start"] == START // 1000 + 123
    assert columns["missing"] == -1


def test_a_gap_that_closes_replaces_the_open_one():
    opened, closed = (gap_row(a_gap(START, to), KEEP, NOW) for to in (None, START + SECOND))
    assert opened[:3] == closed[:3]
    assert opened.stamp < closed.stamp


def test_a_trade_lies_in_the_hour_of_its_event():
    row = trade_row(a_trade(4, NOW, receive_time=NOW + 10), KEEP, NOW)
    columns = columns_of(row)
    assert columns["hour"] == NOW // HOUR * HOUR // 1000
    assert columns["trade_key"] == "4"
    assert row.stamp == NOW + 10


def test_twins_of_one_moment_are_two_rows():
    rows = {trade_row(a_trade(n, NOW, price=1.0), KEEP, NOW)[:3] for n in (1, 2)}
    assert len(rows) == 2


@pytest.mark.parametrize("changes", [{"price": 0.0}, {"price": -1.0}, {"price": math.nan}, {"size": -1.0}, {"size": math.inf}])
def test_a_trade_that_cannot_be_is_refused(changes):
    with pytest.raises(RefusedError):
        trade_row(a_trade(1, NOW, **changes), KEEP, NOW)


def test_a_trade_received_in_the_future_is_refused():
    with pytest.raises(RefusedError) as refusal:
        trade_row(a_trade(1, NOW, receive_time=NOW + 2 * DAY), KEEP, NOW)
    assert refusal.value.reason == "too_far_ahead"


def test_a_quote_is_known_by_the_venues_sequence_else_by_ours():
    assert columns_of(quote_row(a_quote(), KEEP, NOW))["quote_key"] == "9"
    assert columns_of(quote_row(a_quote(venue_sequence=None), KEEP, NOW))["quote_key"] == "1-7"


@pytest.mark.parametrize("changes", [{"bid": 0.0}, {"ask": math.nan}, {"bid_size": math.inf}])
def test_a_quote_that_cannot_be_is_refused(changes):
    with pytest.raises(RefusedError):
        quote_row(a_quote(**changes), KEEP, NOW)


def test_identity_prefers_the_venues_id():
    assert identity("a", 2, 3, 4) == "a"
    assert identity(None, 2, 3, 4) == "2"
    assert identity(None, None, 3, 4) == "3-4"


def test_positions_are_rows_of_their_group():
    row = position_row("md-sink", "md.trades.v1", 3, 17, NOW)
    assert columns_of(row)["next_offset"] == 17
    assert row.partition == "md-sink"


def test_every_statement_binds_its_columns_the_stamp_and_the_ttl():
    for table, text in statements("md", ["1m", "10s"]).items():
        columns = CANDLE_COLUMNS if table.startswith("candles_") else COLUMNS[table]
        assert text.count("?") == len(columns.split()) + 2
        assert text.endswith("USING TIMESTAMP ? AND TTL ?")
