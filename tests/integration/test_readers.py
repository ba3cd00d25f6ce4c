"""`candlewick candles`, `gaps` and `watch` read back from Cassandra exactly what was written."""

import csv
import io
import json

import pytest

from deploy.cassandra.connect import connected
from schemas.timeframes import MINUTE
from sink.overrides import Retention
from sink.retention import TABLES
from sink.rows import candle_row, gap_row, version_row
from sink.store import Store
from tests.support.feeding import a_candle, a_gap
from tests.support.services import candlewick

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

START = 29_500_000 * MINUTE
CANDLES = [
    a_candle(
        START + n * MINUTE, n + 1, series=series, closed=n < 3, gap_cause="feed_down" if n == 1 else "none", coverage=1 / (n + 1)
    )
    for series in ("sim:A", "sim:B B@mid")
    for n in range(4)
]
PUBLISHED = [
    # Minute 0: final a second after its end, revised ten minutes later, published again by a re-run after twenty.
    # Minute 1: only learnt of after ten minutes. Minute 2: still open.
    a_candle(START, 5, series="sim:A", updated_at=START + MINUTE + 1),
    a_candle(START, 6, series="sim:A", updated_at=START + 10 * MINUTE, state="revised", reason="late_trade"),
    a_candle(START, 5, series="sim:A", updated_at=START + 20 * MINUTE),
    a_candle(START + MINUTE, 3, series="sim:A", updated_at=START + 10 * MINUTE + 1, state="revised", reason="backfill"),
    a_candle(START + 2 * MINUTE, 3, series="sim:A", updated_at=START + 2 * MINUTE, closed=False),
]
GAPS = [
    a_gap(START + 250, START + MINUTE, detail='said "so", [twice]'),
    a_gap(START + 2 * MINUTE, START + 2 * MINUTE, cause="no_trades", detail="traded"),
    a_gap(START + 3 * MINUTE, None, cause="no_trades", fillable=True, missing=3),
]
HEADER = (
    "series,timeframe,start_ms,open,high,low,close,volume,trade_count,update_count,version,state,coverage,gap_cause,fingerprint"
)


@pytest.fixture(scope="module")
def env(make_space):
    """A space whose tables hold the candles and gaps above, written by the sink's own store."""
    space = make_space(
        {"CANDLEWICK_TIMEFRAMES": "1m", **{f"CANDLEWICK_RETENTION_{n}": "0" for n in ("1m", *(t.upper() for t in TABLES))}}
    )
    keep = Retention(dict.fromkeys(("1m", *TABLES), 0))
    store = Store.connect(space.cassandra, space.keyspace)
    try:
        store.prepare(keep.by_name, ["1m"])
        now_us = START + 60 * MINUTE
        rows = [candle_row(c, keep, now_us) for c in CANDLES]
        rows += [gap_row(g, keep, now_us) for g in GAPS]
        rows += [row for c in PUBLISHED if (row := version_row(c, candle_row(c, keep, now_us), keep)) is not None]
        assert store.write([(row,) for row in rows], now_us) == []
    finally:
        store.close()
    return space.env


def read(env, *arguments):
    return list(csv.DictReader(io.StringIO(candlewick(env, *arguments, "--format", "csv"))))


def test_candles_come_back_as_the_numbers_they_were(env):
    out = candlewick(env, "candles", "--format", "csv")
    assert out.splitlines()[0] == HEADER
    found = read(env, "candles")
    assert [(r["series"], int(r["start_ms"])) for r in found] == [(c.series, c.start // 1000) for c in CANDLES]
    for row, candle in zip(found, CANDLES, strict=True):
        for name in ("open", "high", "low", "close", "volume", "coverage"):
            assert float(row[name]) == getattr(candle, name)
        for name in ("trade_count", "update_count", "version", "fingerprint"):
            assert int(row[name]) == getattr(candle, name)
        assert (row["timeframe"], row["state"], row["gap_cause"]) == ("1m", candle.state, candle.gap_cause)


def test_json_says_the_same(env):
    found = json.loads(candlewick(env, "candles", "sim:A", "--format", "json"))
    assert [(r["start_ms"], r["close"]) for r in found] == [(c.start // 1000, c.close) for c in CANDLES[:4]]


def test_the_range_includes_its_beginning_and_excludes_its_end(env):
    first, end = START // 1000 + 60_000, "2026-02-02T02:43:00"
    found = read(env, "candles", "sim:A", "--from", str(first), "--to", end)
    assert [int(r["start_ms"]) for r in found] == [first, first + 60_000]


def test_open_candles_can_be_left_out(env):
    assert {r["state"] for r in read(env, "candles")} == {"final", "live"}
    assert {r["state"] for r in read(env, "candles", "--final")} == {"final"}


@pytest.mark.parametrize(
    ("moment_us", "known"),
    [
        (START + MINUTE, []),
        (START + MINUTE + 1000, [(0, 5)]),
        (START + 10 * MINUTE - 1000, [(0, 5)]),
        (START + 10 * MINUTE, [(0, 6)]),
        (START + 11 * MINUTE, [(0, 6), (1, 3)]),
        (START + 30 * MINUTE, [(0, 6), (1, 3)]),
    ],
)
def test_candles_as_of_a_moment_show_nothing_that_was_learnt_later(env, moment_us, known):
    found = read(env, "candles", "sim:A", "--as-of", str(moment_us // 1000))
    assert [((int(r["start_ms"]) * 1000 - START) // MINUTE, int(r["trade_count"])) for r in found] == known


def test_gaps_keep_their_microseconds_and_open_ones_have_no_end(env):
    found = read(env, "gaps")
    assert [r["cause"] for r in found] == ["feed_down", "no_trades"]
    assert found[0]["from_ms"] == f"{START // 1000}.25"
    assert found[0]["to_ms"] == str(START // 1000 + 60_000)
    assert found[0]["detail"] == 'said "so", [twice]'
    assert (found[1]["to_ms"], found[1]["missing"], found[1]["fillable"]) == ("", "3", "true")


def test_gaps_of_which_nothing_is_left_are_shown_on_demand(env):
    assert len(read(env, "gaps", "--all")) == 3
    assert len(read(env, "gaps", "sim:unknown", "--all")) == 0


def test_gaps_that_reach_into_the_range_are_shown(env):
    later = str(START // 1000 + 30_000)
    assert [r["cause"] for r in read(env, "gaps", "--from", later, "--to", str(START // 1000 + 60_000))] == ["feed_down"]
    assert [r["cause"] for r in read(env, "gaps", "--from", str(START // 1000 + 60_000))] == ["no_trades"]


def test_people_get_tables(env):
    assert "sim:B B@mid" in candlewick(env, "candles")
    shown = candlewick(env, "gaps")
    assert "feed_down" in shown
    assert "[twice]" in shown, "what stands in brackets is no markup"


def test_watch_shows_the_latest_of_each_series(env):
    with connected(env["CANDLEWICK_CASSANDRA"]) as session:
        session.execute(
            f"INSERT INTO {env['CANDLEWICK_KEYSPACE']}.latest (grp, series, timeframe, start, open, high, low, close, volume, "
            "trade_count, update_count, version, state, coverage, gap_cause, updated_at) VALUES "
            "('all', 'sim:A', '1m', 0, 1, 2, 1, 1.5, 3, 4, 0, 4, 'live', 1, 'none', 0)"
        )
    assert "sim:A" in candlewick(env, "watch", "--seconds", "0")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("candles", "sim:A", "--timeframe", "2m", "--as-of", "0"), 1),
        (("candles", "--timeframe", "7x"), 2),
        (("candles", "--from", "noon"), 2),
        (("candles", "--timeframe", "2m"), 1),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(env, arguments, status):
    candlewick(env, *arguments, status=status)
