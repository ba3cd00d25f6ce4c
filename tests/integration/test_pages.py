"""The processor's pages on real servers: what they say is what Cassandra holds, after a restart and from any of two workers."""

import json
import socket
import time

import pytest
import requests

from tests.support.feeding import a_trade, feeding
from tests.support.pages import Pages, Stream, contents, gaps_in
from tests.support.recording import Recording, numbered
from tests.support.services import Service, allowed, read_candles, read_gaps, replay, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

TIMEFRAMES = ("1m", "5m", "1h")
SETTINGS = {
    "CANDLEWICK_TIMEFRAMES": ",".join(TIMEFRAMES),
    **{f"CANDLEWICK_RETENTION_{name}": "0" for name in (*TIMEFRAMES, "GAPS")},
}
SOURCE = "pages"
ZERO_US = 1_700_000_000_000_000 // 3_600_000_000 * 3_600_000_000
MINUTE_US = 60_000_000
SYMBOLS = ("A", "B", "OANDA:EUR/USD", "C", "D", "E")
LONG = "LONG"
MOST = 1000


def a_recording():
    """Six symbols for an hour, with minutes left out, and one for 1100 minutes: more than a page holds."""
    trades = []
    for number, symbol in enumerate(SYMBOLS):
        for at in range(60 * 4):
            minute = at // 4
            if minute % (number + 3) != 1:
                trades.append((minute * MINUTE_US + at % 4 * 7_000_000 + number, symbol, 100.0 + (at * 7 + number) % 13 / 8))
    trades += [(minute * MINUTE_US + 30_000_000, LONG, 50.0 + minute % 9) for minute in range(1100) if minute % 10]
    rows = [
        {
            "type": "trade",
            "symbol": symbol,
            "event_time_us": ZERO_US + at,
            "price": price,
            "size": 0.5,
            "id": f"{symbol}-{number}",
        }
        for number, (at, symbol, price) in enumerate(sorted(trades))
    ]
    return Recording(SOURCE, numbered(rows), {}, 0, len(rows))


@pytest.fixture(scope="module")
def settings(make_space):
    return make_space(SETTINGS).env


@pytest.fixture(scope="module")
def services(settings, tmp_path_factory):
    running = {
        "first": Service("processor", settings, tmp_path_factory.mktemp("first")).start(),
        "sink": Service("sink", settings, tmp_path_factory.mktemp("sink")).start(),
        "second": Service("processor", settings, tmp_path_factory.mktemp("second")),
    }
    yield running
    for service in running.values():
        service.discard()


@pytest.fixture(scope="module")
def first(services):
    return Pages(services["first"])


@pytest.fixture(scope="module")
def replayed(settings, services, tmp_path_factory):
    replay(settings, a_recording(), tmp_path_factory.mktemp("lines"))
    return [f"{SOURCE}:{symbol}" for symbol in (*SYMBOLS, LONG)]


@pytest.fixture(scope="module")
def stored(settings, replayed):
    """What a page should say, out of Cassandra: candles by (series, timeframe), gaps by series."""
    candles, gaps = {}, {}
    for key, content in sorted(read_candles(settings, *TIMEFRAMES).items()):
        candles.setdefault((key.series, key.timeframe), {})[key] = content
    for gap in read_gaps(settings):
        gaps.setdefault(gap.series, []).append(gap)
    newest = {place: dict(list(found.items())[-MOST:]) for place, found in candles.items()}
    assert len(candles[f"{SOURCE}:{LONG}", "1m"]) == 990
    return newest, {series: found[-MOST:] for series, found in gaps.items()}


def everything(pages, series):
    answers, gaps = {}, {}
    for name in series:
        for timeframe in TIMEFRAMES:
            status, answer = pages.candles(name, timeframe)
            assert (status, answer.get("series"), answer.get("timeframe")) == (200, name, timeframe), answer
            assert not answer["truncated"]
            starts = [c["start"] for c in answer["candles"]]
            assert starts == sorted(starts)
            answers[name, timeframe] = contents([answer])
        status, answer = pages.gaps(name)
        assert status == 200, answer
        gaps[name] = sorted(gaps_in(answer))
    return answers, {name: found for name, found in gaps.items() if found}


def sorted_gaps(stored):
    return stored[0], {name: sorted(found) for name, found in stored[1].items()}


def test_pages_say_what_cassandra_holds(first, stored, replayed):
    assert everything(first, replayed) == sorted_gaps(stored)
    assert first.get("/series") == (200, {"series": sorted(replayed)})


def test_the_limit_gives_the_newest(first, replayed):
    series = f"{SOURCE}:{LONG}"
    whole = first.candles(series, "1m")[1]["candles"]
    assert first.candles(series, "1m", limit=7)[1]["candles"] == whole[-7:]
    assert first.gaps(series, limit=1)[1]["gaps"] == first.gaps(series)[1]["gaps"][-1:]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "ten", ""])
def test_wrong_limits_are_400(first, replayed, limit):
    status, answer = first.candles(replayed[0], "1m", limit=limit)
    assert (status, answer["error"]) == (400, "limit is a whole number from 1 to 1000")


def test_what_is_unknown_is_404_and_says_what_there_is(first, replayed):
    status, answer = first.candles("pages:NOBODY", "1m")
    assert (status, answer) == (404, {"error": "no series 'pages:NOBODY'; /series has them all"})
    assert first.gaps("pages:NOBODY")[0] == 404
    status, answer = first.candles(replayed[0], "7m")
    assert (status, answer) == (404, {"error": "no timeframe '7m'", "timeframes": list(TIMEFRAMES)})
    for path in ("/nothing", "/table", "/table/state", "/router", "/candles", "/candles/x"):
        status, answer = first.get(path)
        assert (status, "/series" in answer["pages"]) == (404, True)


def test_pages_are_for_reading_only(first, replayed):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert requests.request(method, f"{first.url}/series", timeout=60).status_code == 405


def test_health_and_metrics(first, replayed):
    assert first.get("/health/live") == (200, {"live": True})
    for path in ("/health", "/health/ready"):
        status, state = first.get(path)
        assert (status, state["ready"], state["live"], state["partitions"]) == (200, True, True, [0, 1, 2, 3])
        assert 0 <= state["last_flush_age_s"] < allowed(10)
        assert state["behind_s"] >= 0
    assert first.metric("candlewick_processor_cache_records") > 1000
    assert 0 < first.metric("candlewick_processor_cache_bytes") < 256 << 20
    assert first.metric("candlewick_processor_window_seconds_total") > 1000


def test_the_address_in_a_request_line_leads_nowhere_else(first, replayed):
    # A proxy's form of request names a host: it must not choose whom a worker asks.
    host, port = first.url.removeprefix("http://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as trap, socket.create_connection((host, int(port)), 10) as client:
        trap.settimeout(0.5)
        elsewhere = f"http://127.0.0.1:{trap.getsockname()[1]}/candles/pages%3AA/1m"
        client.sendall(f"GET {elsewhere} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        client.settimeout(10)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        with pytest.raises(TimeoutError):
            trap.accept()


def test_after_a_restart_the_pages_say_the_same(first, services, stored, replayed):
    assert services["first"].stop() == 0
    services["first"].start()
    wait_until(lambda: first.state().get("ready"), 60, "ready again", [services["first"]])
    first.wait_rebuilt()
    assert everything(first, replayed) == sorted_gaps(stored)
    assert first.get("/series") == (200, {"series": sorted(replayed)})


@pytest.fixture(scope="module")
def second(services, first, replayed):
    services["second"].start()
    pages = Pages(services["second"])
    both = [services["first"], services["second"]]

    def shared():
        owned = [pages.state().get("partitions", []) if pages.url else [], first.state().get("partitions", [])]
        return all(owned) and sorted(owned[0] + owned[1]) == [0, 1, 2, 3]

    wait_until(shared, 90, "two workers share the partitions", both)
    pages.wait_rebuilt()
    first.wait_rebuilt()
    return pages


def test_each_of_two_workers_answers_for_all(first, second, stored, replayed):
    assert everything(first, replayed) == sorted_gaps(stored)
    assert everything(second, replayed) == sorted_gaps(stored)
    for pages in (first, second):
        assert pages.get("/series") == (200, {"series": sorted(replayed)})
        assert pages.candles("pages:NOBODY", "1m")[0] == 404
        assert pages.candles(replayed[0], "1m", limit=0)[0] == 400


def test_a_stream_tells_live_changes_of_both_workers(first, second, make_space, settings, stack):
    from tests.support.stack import Space

    prefix = settings["CANDLEWICK_TOPIC_PREFIX"]
    space = Space(prefix, prefix, settings, stack.kafka, stack.registry, stack.cassandra)
    symbols = [f"S{number}" for number in range(12)]
    wanted = f"sim:{symbols[3]}"
    every, one = Stream(first.url), Stream(second.url, series=wanted)
    with feeding(space) as feed:
        now = time.time_ns() // 1000
        feed.send(a_trade(number, now, symbol) for number, symbol in enumerate(symbols))
        heard = {}
        deadline = time.monotonic() + 30
        while len(heard) < len(symbols) and time.monotonic() < deadline:
            kind, record = every.next()
            if kind == "candle" and record["timeframe"] == "1m" and record["state"] == "live":
                heard[record["series"]] = record
        assert sorted(heard) == sorted(f"sim:{symbol}" for symbol in symbols)
        kind, record = one.next()
        assert (kind, record["series"]) == ("candle", wanted)
        assert record["trade_count"] == 1
        for pages in (first, second):
            status, answer = pages.candles(wanted, "1m")
            assert (status, answer["candles"]) == (200, [heard[wanted]])
    every.close()
    one.close()


def test_a_worker_that_leaves_is_answered_for_and_its_streams_end(first, second, services, stored, replayed):
    stream = Stream(second.url)
    following = Stream(first.url)
    assert services["second"].stop() == 0
    wait_until(lambda: stream.over and following.over, 30, "the streams' end")
    wait_until(lambda: first.state().get("partitions") == [0, 1, 2, 3], 60, "one worker has all", [services["first"]])
    first.wait_rebuilt()
    assert everything(first, replayed) == sorted_gaps(stored)


def test_a_killed_worker_is_answered_for_as_soon_as_the_group_knows(first, second, services, stored, replayed):
    services["second"].start()
    both = [services["first"], services["second"]]
    wait_until(lambda: len(first.state().get("partitions", [])) == 2, 90, "two workers share the partitions", both)
    wait_until(lambda: second.state().get("partitions"), 60, "the second is back", both)
    second.wait_rebuilt()
    first.wait_rebuilt()
    services["second"].kill()
    statuses = {first.candles(name, "1m")[0] for name in replayed}
    assert statuses == {200, 503}, "some series were the killed worker's, and it was not there to be asked"
    wait_until(lambda: first.state().get("partitions") == [0, 1, 2, 3], 60, "one worker has all", [services["first"]])
    first.wait_rebuilt()
    assert everything(first, replayed) == sorted_gaps(stored)


def test_a_port_in_use_is_one_clear_line(settings, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        service = Service("processor", {**settings, "CANDLEWICK_METRICS_PORT": port}, tmp_path).start()
        wait_until(lambda: not service.running, 60, "the end of a service without a port")
        assert service.stop() == 1
    last = json.loads(service.tail(1))
    assert last["event"] == "start.failed"
    assert f"127.0.0.1 port {port}" in last["error"]
