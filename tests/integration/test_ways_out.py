"""Example writers for other stores: whatever order and however often candles come, the highest version stays, for its time."""

import random
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import requests
from confluent_kafka import Producer

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Candle
from schemas.registry import Registry
from schemas.timeframes import DAY, DEFAULT, MINUTE, parse_list
from schemas.topics import Topic, candles_dataset
from tests.support import examples, published
from tests.support.feeding import a_candle
from tests.support.services import allowed, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # the packages are fetched once

DAY_MS = DAY // 1000
CANDLES = Topic(candles_dataset("1m"), Candle, "series", "")
SERIES = ("sim:X", "sim:Y")


@pytest.fixture(scope="module")
def now():
    return time.time_ns() // 1000 // MINUTE * MINUTE


@pytest.fixture(scope="module")
def history(now):
    """Versions 1 to 4 of twenty windows of two series, some twice, shuffled; and one window that is older than its retention."""
    every = [a_candle(now - m * MINUTE, n, series=s) for s in SERIES for m in range(1, 11) for n in range(1, 5)]
    expired = a_candle(now - 31 * DAY, 1, series="sim:X")
    mixed = [*every, *every[::3], expired]
    random.Random(5).shuffle(mixed)
    return mixed


@pytest.fixture(scope="module")
def corner(stack):
    with published.corner(stack) as made:
        yield made


@pytest.fixture(scope="module")
def send(corner):
    """A function that writes candles, in order of the list for each series."""
    encode = Encoder(Candle, Registry(corner.registry).lookup(CANDLES.subject(corner.prefix), schema_text(Candle)))
    producer = Producer({"bootstrap.servers": corner.kafka, "partitioner": "murmur2_random", "linger.ms": 20})

    def written(candles):
        for candle in candles:
            producer.produce(CANDLES.name(corner.prefix), encode(candle), candle.series.encode())
        assert producer.flush(20) == 0

    return written


@pytest.fixture(scope="module")
def sent(send, history):
    """What stands on the topic; each test adds to it."""
    send(history)
    return list(history)


def wanted(candles, now):
    """Newest version of each window that is not older than its retention: (series, start ms) -> (version, close)."""
    newest = {}
    for c in sorted(candles, key=lambda c: c.version):
        if c.start + 30 * DAY > now:
            newest[c.series, c.start // 1000] = (c.version, c.close)
    return newest


@pytest.fixture
def folder():
    """A folder that another user can be let into, which pytest's own is not."""
    made = Path(tempfile.mkdtemp(prefix="candlewick-store-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def _python():
    try:
        examples.python()
    except examples.AbsentError as absent:
        pytest.skip(str(absent))


def _differing(found, best):
    """The rows in which a store differs from what it should have, for people."""
    rows = [
        f"{key}: {found.get(key)}, wanted {best.get(key)}"
        for key in sorted(found.keys() | best.keys())
        if found.get(key) != best.get(key)
    ]
    return "\n".join([f"{len(found)} rows, {len(rows)} differ (version, close):", *rows[:10]])


def check(store, script, corner, sent, send, now):
    """The account of one store; `store` has .rows() -> (series, start ms) -> (version, close), and .address."""
    arguments = (corner.kafka, corner.registry, store.address, f"{corner.prefix}-{script}", CANDLES.name(corner.prefix))

    def written(what):
        best = wanted(sent, now)
        with examples.script(script, *arguments) as writer:
            try:
                wait_until(lambda: store.rows() == best or writer.poll() is not None, 60, what)
                assert writer.poll() is None, f"{script} has ended"
            except AssertionError as error:
                raise AssertionError(f"{error}\n{_differing(store.rows(), best)}\n{examples.last_words(writer)}") from None

    written("the newest version of every window")
    # Stopped and started again, with everything once more behind it, and a correction at the end.
    more = [*sent, *(a_candle(now - 5 * MINUTE, len(sent), series=s) for s in SERIES)]
    send(more)
    sent += more
    written("the corrections, and nothing older")


class Postgres:
    def __init__(self, address):
        self.address = address

    def ask(self, query):
        command = ["psql", self.address, "-X", "-A", "-t", "-F", " ", "-c", query]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return [line.split() for line in done.stdout.splitlines()] if done.returncode == 0 else None

    def rows(self):
        found = self.ask("SELECT series, (extract(epoch FROM start) * 1000)::bigint, version, close FROM candles") or []
        return {(series, int(start)): (int(version), float(close)) for series, start, version, close in found}


@pytest.mark.usefixtures("_python")
def test_law_9_postgres_keeps_the_highest_version_and_nothing_expired(corner, sent, send, now, folder):
    try:
        with examples.postgres(folder) as address:
            store = Postgres(address)
            wait_until(lambda: store.ask("SELECT 1"), 30, "PostgreSQL")
            check(store, "to_postgres.py", corner, sent, send, now)
    except examples.AbsentError as absent:
        pytest.skip(str(absent))


class QuestDB(Postgres):
    def rows(self):
        newest = "SELECT *, row_number() OVER (PARTITION BY series, start ORDER BY candle_version DESC) n FROM candles_1m"
        found = self.ask(f"SELECT series, start::long / 1000, candle_version, close FROM ({newest}) WHERE n = 1") or []
        return {(series, int(start)): (int(version), float(close)) for series, start, version, close in found}


@pytest.mark.usefixtures("_python")
def test_law_9_questdb_has_every_version_once_and_reads_the_highest(corner, sent, send, now, folder):
    try:
        with examples.questdb(folder) as address:
            store = QuestDB(address)
            wait_until(lambda: store.ask("SELECT 1"), 60, "QuestDB")
            check(store, "to_questdb.py", corner, sent, send, now)
            assert store.ask("SELECT count() - count_distinct(series || start || candle_version) FROM candles_1m") == [["0"]]
    except examples.AbsentError as absent:
        pytest.skip(str(absent))


class Redis:
    ALL = """
        local found = {}
        for i = 1, 2 do
            for _, start in ipairs(redis.call('ZRANGE', 'candles:{' .. ARGV[i] .. '}:1m', 0, -1)) do
                local values = redis.call('HMGET', 'candle:{' .. ARGV[i] .. '}:1m:' .. start, 'version', 'close')
                table.insert(found, table.concat({ARGV[i], start, values[1], values[2]}, ' '))
            end
        end
        return found
    """

    def __init__(self, port):
        self.address = f"redis://127.0.0.1:{port}/0"
        self._command = ["redis-cli", "-p", str(port)]

    def ask(self, *words):
        done = subprocess.run([*self._command, *words], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.splitlines() if done.returncode == 0 else []

    def rows(self):
        found = (line.split() for line in self.ask("EVAL", self.ALL, "0", *SERIES) if line)
        return {(series, int(start)): (int(version), float(close)) for series, start, version, close in found}


@pytest.mark.usefixtures("_python")
def test_law_9_10_redis_keeps_the_highest_version_until_its_time(corner, sent, send, now, folder):
    try:
        with examples.redis(folder) as port:
            store = Redis(port)
            wait_until(lambda: store.ask("PING"), 30, "Redis")
            check(store, "to_redis.py", corner, sent, send, now)
            series, start = min(store.rows())
            (left_ms,) = store.ask("PTTL", f"candle:{{{series}}}:1m:{start}")
            assert abs(int(left_ms) - (start + 30 * DAY_MS - time.time() * 1000)) < allowed(5) * 1000
    except examples.AbsentError as absent:
        pytest.skip(str(absent))


class Influx:
    def __init__(self, address):
        self.address = address

    def ask(self, query):
        where = {"db": "md", "epoch": "ms", "q": query}
        try:
            answer = requests.get(f"{self.address}/query", params=where, timeout=60)
        except requests.ConnectionError:
            return None
        return answer.json()["results"][0].get("series", [])

    def rows(self):
        found = self.ask('SELECT "version", "close" FROM "keep_1m"."candles" WHERE "timeframe" = \'1m\' GROUP BY "series"') or []
        return {(s["tags"]["series"], start): (version, close) for s in found for start, version, close in s["values"]}


@pytest.mark.usefixtures("_python")
def test_law_9_influxdb_keeps_the_highest_version_and_nothing_expired(corner, sent, send, now, folder):
    try:
        with examples.influxdb(folder) as address:
            store = Influx(address)
            wait_until(lambda: store.ask("SHOW DATABASES") is not None, 30, "InfluxDB")
            check(store, "to_influxdb.py", corner, sent, send, now)
            (policies,) = store.ask('SHOW RETENTION POLICIES ON "md"')
            assert {row[0]: row[1] for row in policies["values"]}["keep_1m"] == "720h0m0s"
    except examples.AbsentError as absent:
        pytest.skip(str(absent))


def test_the_examples_keep_what_cassandra_keeps():
    """The table of days is copied into the example so that it stands alone; here it is held to ours."""
    from sink.retention import days_of

    text = (examples.FOLDER / "batches.py").read_text(encoding="utf-8")
    frames = parse_list(DEFAULT)
    days = days_of(frames)
    kept = {name: float(n) for name, n in re.findall(r'"(\w+)": timedelta\(days=(\d+)\)', text)}
    assert kept == {f.name: days[f.name] for f in frames if days[f.name]}
