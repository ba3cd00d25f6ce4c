"""Every query of the dashboards on the real Cassandra, filled in as Grafana and its plugin fill them in."""

import time

import pytest

from deploy.cassandra.connect import connected
from deploy.cli.renderings import epoch_ms
from deploy.grafana.__main__ import DASHBOARDS
from schemas.records import FeedStatus
from schemas.timeframes import HOUR, MINUTE, SECOND
from sink.batches import plan
from sink.directory import Directory
from sink.overrides import Retention
from sink.retention import days_of, seconds
from sink.rows import candle_row, gap_row, trade_row, version_row
from sink.statuses import StatusBoard
from sink.store import Store
from tests.support.feeding import a_candle, a_gap, a_trade
from tests.support.grafana import DRAWABLE, asked, chosen, filled

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NOW = time.time_ns() // 1000 // MINUTE * MINUTE
SERIES = "ig:CS.D.EURUSD@mid"
EMPTY_HERE = {"last trades", "room"}  # quote series have no trades; what is only in memory takes no room


def rows():
    keep = Retention({name: seconds(days) for name, days in days_of([]).items()} | {"1m": 0, "5m": 0})
    directory, board = Directory(), StatusBoard()
    for series in (SERIES, "sim:X"):
        for n in range(180):
            published = NOW - n * MINUTE + 2 * SECOND
            candle = a_candle(NOW - n * MINUTE, 9, series=series, updated_at=published, coverage=0.5 if n == 7 else 1.0)
            row = candle_row(candle, keep, NOW)
            yield from [row, version_row(candle, row, keep), *directory.of_candle(candle)]
        revised = a_candle(
            NOW - MINUTE, 10, series=series, state="revised", reason="late_trade", updated_at=NOW, provenance="mixed"
        )
        row = candle_row(revised, keep, NOW)
        yield from [row, version_row(revised, row, keep)]
        yield from [gap_row(a_gap(NOW - HOUR, NOW - HOUR + MINUTE, series=series), keep, NOW)]
        yield from [gap_row(a_gap(NOW - MINUTE, None, series=series, cause="no_trades"), keep, NOW)]
    yield from (trade_row(a_trade(n, NOW - n * SECOND), keep, NOW) for n in range(100))
    for n, state in enumerate(["live", "down", "live"]):
        at = NOW - (3 - n) * MINUTE
        yield from board.rows(FeedStatus("sim", state, epoch=1, since=at, sent_at=at), at, keep)


@pytest.fixture(scope="module")
def session(make_space):
    global NOW  # noqa: PLW0603 - this module may have been read long before its tests run
    NOW = time.time_ns() // 1000 // MINUTE * MINUTE
    space = make_space({"CANDLEWICK_TIMEFRAMES": "1m,5m"})
    store = Store.connect(space.cassandra, space.keyspace)
    try:
        store.prepare(
            {name: seconds(days) for name, days in days_of([]).items()} | {"1m": 30 * 86400, "5m": 90 * 86400}, ["1m", "5m"]
        )
        assert store.write(plan(list(rows()), NOW).batches, NOW) == []
    finally:
        store.close()
    with connected(space.cassandra) as session:
        session.set_keyspace(space.keyspace)
        session.execute("INSERT INTO retention (series, timeframe, ttl_seconds, note) VALUES ('sim:*', '1m', 0, 'kept')")
        session.space = space
        yield session


def ask(session, statement, values, span=3 * HOUR):
    text = filled(statement, values, (NOW - span) // 1000, (NOW + MINUTE) // 1000)
    return session.execute(session.prepare(text))  # prepared, as gocql prepares every SELECT


def _passed():
    """Minutes since the rows were made: the panels count back from the server's clock."""
    return (time.time_ns() // 1000 - NOW) // MINUTE


def choices(session, dashboard):
    """The variables' values as they stand when the dashboard opens; each may use those above it."""
    values = {}
    for variable in dashboard["templating"]["list"]:
        preset = variable["current"].get("value")
        if variable["type"] == "query":
            found = [str(row[0]) for row in ask(session, variable["query"]["query"], values)]
            offered = sorted(set(chosen(variable, found)))
            assert offered, variable["name"]
            values[variable["name"]] = preset if preset in offered else offered[0]
        else:
            values[variable["name"]] = preset
    if "keyspace" in values:
        values["keyspace"] = session.space.keyspace
    return values


@pytest.mark.parametrize("make", DASHBOARDS, ids=lambda make: make.__name__)
def test_every_query_of_the_dashboard_runs_and_can_be_drawn(session, make):
    dashboard = make()
    values = choices(session, dashboard)
    for query in asked(dashboard):
        result = ask(session, query.statement, values)
        names, types = result.column_names, [t.typename for t in result.column_types]
        found = list(result)
        assert set(types) <= DRAWABLE, (query.where, types)
        assert found or query.where in EMPTY_HERE, query.where
        assert not [row for row in found if None in row], f"{query.where}: a null is drawn as zero or as year 1"
        if query.kind in ("candlestick", "timeseries"):  # state timelines are sorted by Grafana
            times = [row[types.index("timestamp")] for row in found]
            assert times == sorted(set(times)), query.where
            assert len({row[0] for row in found}) == 1, f"{query.where}: several frames, of which one would be drawn"
        if query.kind == "candlestick":
            assert names == ["series", "start", "open", "high", "low", "close", "volume"]
            assert 178 - _passed() <= len(found) <= 180
        if query.kind == "annotation":
            assert names == ["series", "time", "timeEnd", "title", "text"]
        odd = ask(session, query.statement, values | dict.fromkeys(("series", "source", "instrument"), "O'Hara"))
        assert query.kind != "candlestick" or not list(odd), "a quote is a part of the name, and no such series is there"
        if query.kind == "table":
            assert len({row[0] for row in found}) <= 1, f"{query.where}: a table shows one frame only"


def test_the_last_trades_are_the_newest_of_two_hours(session):
    (query,) = (q for q in asked(DASHBOARDS[0]()) if q.where == "last trades")
    found = list(ask(session, query.statement, {"instrument": "sim:X"}))
    assert 30 <= len(found) <= 60
    assert epoch_ms(max(row.event_time for row in found)) == NOW // 1000


def test_the_candles_shown_are_those_of_the_span(session):
    (query,) = (q for q in asked(DASHBOARDS[0]()) if q.kind == "candlestick")
    for span, windows in (("30m", 30), ("1h", 60)):
        shown = list(ask(session, query.statement, {"series": "sim:X", "timeframe": "1m", "span": span}))
        assert windows - 2 - _passed() <= len(shown) <= windows + 1, "this minute has begun when we ask"
        assert epoch_ms(shown[-1].start) == NOW // 1000
