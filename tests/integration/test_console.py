"""The live page's server against Cassandra: what is in the tables is what the page is told."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from deploy.cassandra.connect import connected
from deploy.console.server import Console
from deploy.console.store import Store
from processor import live_page
from processor.core.rolls import parse_rolls
from tests.support.console import served

pytestmark = pytest.mark.integration

T0 = 1_700_000_040_000
FAR = 4_102_444_800_000
CANDLE = (
    "INSERT INTO candles_1m (series, start, open, high, low, close, volume, buy_volume, vwap, trade_count, update_count, "
    "late_count, first_event_us, last_event_us, version, state, reason, provenance, coverage, gap_cause, fingerprint, "
    "updated_at) VALUES (%s, %s, 1, 3, 0.5, 2, 10, 0, 0, 4, 1, 0, 0, 0, 6, 'final', 'none', 'trades', %s, %s, 0, %s) USING TTL 0"
)
VERSION = CANDLE.replace("candles_1m (", "candle_versions (timeframe, version, published_us, ").replace(
    ", version, state", ", state"
)
VERSION = VERSION.replace("VALUES (", "VALUES (%s, %s, %s, ").replace("0, 0, 6, 'final'", "0, 0, 'final'")
GAP = (
    "INSERT INTO gaps (series, start, gap_id, end, from_us, to_us, cause, detail, state, missing, version, "
    "fillable, why_not, updated_at) VALUES (%s, %s, %s, %s, %s, %s, 'feed_down', '', %s, -1, 0, false, '', %s)"
)


def moment(ms):
    return datetime.fromtimestamp(ms / 1000, UTC)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def page(space):
    with connected(space.cassandra) as session:
        store = Store(session, space.keyspace)
        for n, (coverage, cause) in enumerate([(1.0, "none"), (0.5, "feed_down")]):
            session.execute(CANDLE, ("sim:X", moment(T0 + n * 60_000), coverage, cause, moment(T0)))
        for name, begin, end, state in (("g1", T0 + 90_000, T0 + 120_000, "closed"), ("g2", T0 + 130_000, FAR, "open")):
            session.execute(GAP, ("sim:X", moment(begin), name, moment(end), begin * 1000, end * 1000, state, moment(T0)))
        session.execute("INSERT INTO series_list (grp, series, source, symbol) VALUES ('all', 'sim:X', 'sim', 'X')")
        session.execute(
            "INSERT INTO feed_status (grp, source, state, reason, since, updated_at) VALUES ('all', 'sim', 'live', '', %s, %s)",
            (moment(T0), moment(T0)),
        )
        with served(Console(store)) as address:
            yield address


def test_what_is_in_the_tables_is_what_the_page_is_told(page):
    status, headers, body = get(f"{page}/about")
    about = json.loads(body)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert (about["stream"], about["account"], "1m" in about["timeframes"]) == (False, None, True)
    assert json.loads(get(f"{page}/series")[2]) == {"series": ["sim:X"]}
    assert [(f["source"], f["state"], f["since"]) for f in json.loads(get(f"{page}/feeds")[2])["feeds"]] == [
        ("sim", "live", T0 * 1000)
    ]
    candles = json.loads(get(f"{page}/candles/sim%3AX/1m")[2])["candles"]
    assert [(c["start"], c["coverage"], c["gap_cause"]) for c in candles] == [
        (T0 * 1000, 1.0, "none"),
        (T0 * 1000 + 60_000_000, 0.5, "feed_down"),
    ]
    gaps = json.loads(get(f"{page}/gaps/sim%3AX")[2])["gaps"]
    assert [(g["gap_id"], g["from_time"], g["to_time"]) for g in gaps] == [
        ("g1", (T0 + 90_000) * 1000, (T0 + 120_000) * 1000),
        ("g2", (T0 + 130_000) * 1000, None),
    ]
    for what in ("candles/sim%3AX/1m", "gaps/sim%3AX"):
        newest = json.loads(get(f"{page}/{what}?limit=1")[2])
        assert newest[what.partition("/")[0]] == (candles if what.startswith("candles") else gaps)[-1:]


def test_unknown_timeframe_and_wrong_limits_are_clear_errors_and_an_unknown_series_is_empty(page):
    status, _, body = get(f"{page}/candles/sim%3AX/7m")
    assert status == 404
    assert "7m" in json.loads(body)["error"]
    for limit in ("0", "1001", "x", ""):
        status, _, body = get(f"{page}/gaps/sim%3AX?limit={limit}")
        assert (status, json.loads(body)["error"]) == (400, "limit is a whole number from 1 to 1000")
    status, _, body = get(f"{page}/candles/no%3Asuch/1m")
    assert (status, json.loads(body)["candles"]) == (200, [])


def test_without_a_processor_there_is_no_stream_and_one_that_is_away_is_503(page):
    assert get(f"{page}/events?series=sim%3AX")[0] == 503
    with served(Console(None, "http://127.0.0.1:1")) as address:
        status, _, body = get(f"{address}/events?series=sim%3AX")
        assert (status, "does not answer" in json.loads(body)["error"]) == (503, True)


def test_the_page_is_served(page):
    for path in live_page.FILES:
        status, headers, body = get(page + path)
        assert (status, bool(body)) == (200, True)
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def put(session, timeframe, start_ms, version, published_us, coverage):
    what = (timeframe, version, published_us, "ig:X", moment(start_ms), coverage, "none", moment(published_us // 1000))
    session.execute(VERSION, what)


def as_of(page, text, more="", timeframe="1m"):
    status, _, body = get(f"{page}/candles/ig%3AX/{timeframe}?as_of={text}{more}")
    return status, json.loads(body)


def test_candles_as_of_a_moment_show_nothing_that_was_learnt_later(space):
    minute, hour = 60_000_000, 3_600_000_000
    first, second = T0 * 1000, T0 * 1000 + minute
    with connected(space.cassandra) as session:
        store = Store(session, space.keyspace, parse_rolls("ig:*=17:00 America/New_York"))
        put(session, "1m", T0, 5, first + minute + 2, 1.0)
        put(session, "1m", T0, 7, first + 10 * minute, 0.5)
        put(session, "1m", T0 + 60_000, 3, second + minute + 2, 1.0)
        opened = int(datetime(2026, 3, 7, 22, tzinfo=UTC).timestamp() * 1000)
        put(session, "1d", opened, 3, opened * 1000 + 25 * hour, 1.0)
        with served(Console(store)) as page:

            def known(moment_us, more=""):
                status, body = as_of(page, moment_us, more)
                assert (status, body["as_of"]) == (200, moment_us)
                return [(c["start"], c["version"], c["coverage"]) for c in body["candles"]]

            assert known(first + minute + 1) == []
            assert known(first + minute + 2) == [(first, 5, 1.0)]
            assert known(first + 10 * minute - 1) == [(first, 5, 1.0), (second, 3, 1.0)]
            assert known(first + 10 * minute) == [(first, 7, 0.5), (second, 3, 1.0)]
            assert known(first + 10 * minute, "&limit=1") == [(second, 3, 1.0)]
            iso = datetime.fromtimestamp(T0 / 1000 + 300, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            assert as_of(page, iso)[1]["as_of"] == first + 5 * minute
            (day,) = as_of(page, opened * 1000 + 48 * hour, timeframe="1d")[1]["candles"]
            assert day["end"] - day["start"] == 23 * hour
            for text in ("", "yesterday", "-1", "9" * 18, "9999-99-99"):
                status, body = as_of(page, text)
                assert (status, "as_of is a moment" in body["error"]) == (400, True)
            assert as_of(page, first, timeframe="7m")[0] == 404
