"""The live page's server against Cassandra: what is in the tables is what the page is told."""

import asyncio
import json
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Thread

import pytest

from deploy.cassandra.connect import connected
from deploy.console.server import serve
from deploy.console.store import Store

pytestmark = pytest.mark.integration

T0 = 1_700_000_040_000
FAR = 4_102_444_800_000
CANDLE = (
    "INSERT INTO candles_1m (series, start, open, high, low, close, volume, buy_volume, vwap, trade_count, update_count, "
    "late_count, first_event_us, last_event_us, version, state, reason, provenance, coverage, gap_cause, fingerprint, "
    "updated_at) VALUES (%s, %s, 1, 3, 0.5, 2, 10, 0, 0, 4, 1, 0, 0, 0, 6, 'final', 'none', 'trades', %s, %s, 0, %s) USING TTL 0"
)
GAP = (
    "INSERT INTO gaps (series, start, gap_id, end, from_us, to_us, cause, detail, state, missing, version, "
    "fillable, why_not, updated_at) VALUES (%s, %s, %s, %s, 0, 0, 'feed_down', '', %s, -1, 0, false, '', %s)"
)


def moment(ms):
    return datetime.fromtimestamp(ms / 1000, UTC)


@contextmanager
def served(store):
    """The page's address, served by a thread until the end."""
    loop, stop, started, address = asyncio.new_event_loop(), asyncio.Event(), Event(), []

    def ready(url):
        address.append(url)
        started.set()

    thread = Thread(target=lambda: loop.run_until_complete(serve(store, "127.0.0.1", 0, stop, ready)))
    thread.start()
    try:
        assert started.wait(10)
        yield address[0].rstrip("/")
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def page(space):
    with connected(space.cassandra) as session:
        store = Store(session, space.keyspace)
        for n, (coverage, cause) in enumerate([(1.0, "none"), (0.5, "feed_down")]):
            session.execute(CANDLE, ("sim:X", moment(T0 + n * 60_000), coverage, cause, moment(T0)))
        session.execute(GAP, ("sim:X", moment(T0 + 90_000), "g1", moment(T0 + 120_000), "closed", moment(T0)))
        session.execute(GAP, ("sim:X", moment(T0 + 130_000), "g2", moment(FAR), "open", moment(T0)))
        session.execute("INSERT INTO series_list (grp, series, source, symbol) VALUES ('all', 'sim:X', 'sim', 'X')")
        session.execute(
            "INSERT INTO feed_status (grp, source, state, reason, since, updated_at) VALUES ('all', 'sim', 'live', '', %s, %s)",
            (moment(T0), moment(T0)),
        )
        with served(store) as address:
            yield address


def test_view_tells_candles_gaps_and_feeds_of_the_first_series_unless_asked(page):
    status, headers, body = get(f"{page}/view?timeframe=1m")
    view = json.loads(body)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert (view["series"], view["series_list"], view["window_ms"]) == ("sim:X", ["sim:X"], 60_000)
    assert view["candles"]["start"] == [T0, T0 + 60_000]
    assert view["candles"]["coverage"] == [1.0, 0.5]
    assert [(g["from"], g["to"]) for g in view["gaps"]] == [(T0 + 130_000, None), (T0 + 90_000, T0 + 120_000)]
    assert [f["source"] for f in view["feeds"]] == ["sim"]


def test_unknown_timeframe_is_a_clear_error_and_unknown_series_is_empty(page):
    status, _, body = get(f"{page}/view?timeframe=7m")
    assert status == 400
    assert "7m" in json.loads(body)["error"]
    status, _, body = get(f"{page}/view?timeframe=1m&series=no%3Asuch")
    assert (status, json.loads(body)["candles"]["start"]) == (200, [])


def test_page_takes_everything_from_its_own_server(page):
    for path, kind in {
        "/": "text/html",
        "/page.css": "text/css",
        "/page.js": "text/javascript",
        "/plotly.js": "text/javascript",
    }.items():
        status, headers, body = get(page + path)
        assert status == 200
        assert headers["Content-Type"].startswith(kind)
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert path == "/plotly.js" or b"//cdn" not in body
