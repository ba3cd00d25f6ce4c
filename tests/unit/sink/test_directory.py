from dataclasses import replace

from schemas.timeframes import MINUTE
from sink.directory import Directory
from tests.support.feeding import a_candle, a_gap

START = 30_000_000 * MINUTE


def tables(rows):
    return [row.table for row in rows]


def test_a_series_is_listed_once():
    directory = Directory()
    assert tables(directory.of_candle(a_candle(START, 1))) == ["series_list", "latest"]
    assert tables(directory.of_candle(a_candle(START, 2))) == ["latest"]


def test_the_latest_candle_is_never_older_than_what_was_written():
    directory = Directory()
    directory.of_candle(a_candle(START + MINUTE, 1))
    assert tables(directory.of_candle(a_candle(START, 99))) == []


def test_a_filled_candle_does_not_stand_before_the_next_window():
    filled = Directory().of_candle(a_candle(START, 1, version=5 * 10**9))[1]
    later = Directory().of_candle(a_candle(START + MINUTE, 1))[1]
    assert filled.stamp < later.stamp


def test_a_series_is_first_seen_by_its_silence():
    rows = Directory().of_gap(a_gap(START, None, cause="no_trades"))
    assert tables(rows) == ["series_list"]
    assert rows[0].values[-1] is True


def test_a_series_that_is_no_longer_named_becomes_inactive_and_returns():
    directory = Directory()
    directory.of_candle(a_candle(START, 1))
    ended = directory.of_gap(a_gap(START + MINUTE, None, cause="unsubscribed"))
    assert [r.values[-1] for r in ended] == [False]
    assert "series_list" not in tables(directory.of_candle(a_candle(START, 2))), "an older sight does not revive it"
    assert [r.values[-1] for r in directory.of_candle(a_candle(START + 2 * MINUTE, 1)) if r.table == "series_list"] == [True]


def test_a_series_that_another_sink_has_called_ended_returns_by_its_candles_alone():
    candles, gaps = Directory(), Directory()
    candles.of_candle(a_candle(START, 1))
    (ended,) = gaps.of_gap(a_gap(START + MINUTE, None, cause="unsubscribed"))
    again = [r for n in range(2, 120) for r in candles.of_candle(a_candle(START + n * MINUTE, 1)) if r.table == "series_list"]
    assert [r.values[-1] for r in again] == [True], "once an hour"
    assert again[0].stamp > ended.stamp


def test_after_a_loss_everything_is_said_again():
    directory = Directory()
    directory.of_candle(a_candle(START, 1))
    directory.forget()
    assert tables(directory.of_candle(a_candle(START, 1))) == ["series_list", "latest"]


def test_a_consolidated_series_is_listed_under_its_own_name_whomever_it_follows():
    candle = replace(a_candle(START, 1), series="group:btc@mid", source="finnhub", symbol="BTC", price="mid")
    (listed, _) = Directory().of_candle(candle)
    assert listed.values == ("all", "group:btc@mid", "btc mid", "group", "btc", "mid", True)
