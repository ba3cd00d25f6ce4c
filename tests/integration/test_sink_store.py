"""The sink between a real Kafka and a real Cassandra: same rows from any order, honest TTLs, poison, and its own conditions."""

import random
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from deploy.cassandra.connect import connected
from schemas.records import FeedStatus, Quote
from schemas.timeframes import DAY, MINUTE, SECOND
from schemas.topics import topic_name
from schemas.wire import header
from sink.dead_letters import KEPT_BYTES
from tests.support.feeding import a_candle, a_gap, a_trade, feeding
from tests.support.services import Service, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SETTINGS = {"CANDLEWICK_TIMEFRAMES": "1m", "CANDLEWICK_COMMIT_LAG_S": "0", "CANDLEWICK_PARTITIONS": "2"}
NOW = time.time_ns() // 1000 // MINUTE * MINUTE


class Corner:
    """A space with a feed and a running sink."""

    def __init__(self, space, feed, sink):
        self.space, self.feed, self.sink = space, feed, sink

    def write(self, records):
        self.feed.send(records)
        self.feed.wait([self.sink])


@pytest.fixture(scope="module")
def make_corner(make_space, tmp_path_factory):
    with ExitStack() as open_ones:

        def make(**settings):
            space = make_space(SETTINGS | {f"CANDLEWICK_{name}": value for name, value in settings.items()})
            feed = open_ones.enter_context(feeding(space))
            sink = Service("sink", space.env, tmp_path_factory.mktemp("sink")).start()
            open_ones.callback(sink.discard)
            return Corner(space, feed, sink)

        yield make


@pytest.fixture(scope="module")
def corner(make_corner):
    return make_corner()


def published():
    """What a processor and a producer would have published in a quarter of an hour: growing versions of everything."""
    records = []
    for n in range(15):
        start = NOW - n * MINUTE
        records += [a_candle(start, count, closed=False) for count in range(10, 100, 30)]
        records += [a_candle(start, 100), a_candle(start, 104, state="revised", reason="late_trade")]
        records += [a_gap(start + 7, None), a_gap(start + 7, start + 5_000_007)]
    records += [a_trade(n, NOW - n * 1000, symbol="XY"[n % 2]) for n in range(2000)]
    records += [
        Quote("sim", "X", NOW - n * 1000, NOW - n * 1000, 1.0, 1.0 + n, venue_sequence=n, epoch=1, sequence=n) for n in range(500)
    ]
    return records


def test_law_9_shuffled_and_repeated_records_leave_the_same_tables(corner, make_corner):
    records = published()
    corner.write(records)
    other = make_corner()
    chance = random.Random(9)
    shuffled = records + chance.sample(records, 500)
    chance.shuffle(shuffled)
    other.write(shuffled)
    for table in ("candles_1m", "candle_versions", "gaps", "trades", "quotes", "latest"):
        assert other.feed.rows(table) == corner.feed.rows(table), table
    assert len(corner.feed.rows("candles_1m")) == 15
    assert len(corner.feed.rows("candle_versions")) == 30, "the final and the revised one of each"
    assert len(corner.feed.rows("trades")) == 2000
    assert {r[0] for r in corner.feed.rows("candles_1m", "version")} == {105}
    assert corner.feed.rows("series_list", "series, active") == [("sim:X", True)]


def test_law_9_an_older_version_after_a_newer_one_changes_nothing(corner):
    series = "sim:older"
    corner.write([a_candle(NOW, 50, series=series)])
    before = [r for r in corner.feed.rows("candles_1m") if r[0] == series]
    corner.write([a_candle(NOW, 49, series=series), a_candle(NOW, 50, series=series, closed=False)])
    assert [r for r in corner.feed.rows("candles_1m") if r[0] == series] == before


def test_law_10_honest_ttl_a_candle_25_days_late_lives_the_remaining_5_days(corner):
    start = NOW - 25 * DAY
    corner.write([a_candle(start, 1, series="sim:late")])
    query = f"SELECT TTL(close) AS ttl FROM {corner.space.keyspace}.candles_1m WHERE series = 'sim:late'"
    left = (start + 30 * DAY - time.time_ns() // 1000) / SECOND
    assert corner.feed.session.execute(query).one().ttl == pytest.approx(left, abs=2)
    query = query.replace("candles_1m", "candle_versions") + " AND timeframe = '1m'"
    assert corner.feed.session.execute(query).one().ttl == pytest.approx(left, abs=2)


def test_a_row_that_would_expire_at_once_is_said_once_with_the_remedy(corner):
    corner.write([a_candle(NOW - n * DAY, 1, series="sim:ancient") for n in (40, 41, 42)])
    assert [r for r in corner.feed.rows("candles_1m") if r[0] == "sim:ancient"] == []
    said = [line for line in corner.sink.tail(1000).splitlines() if "row.expired_before_write" in line and "sim:ancient" in line]
    assert len(said) == 1
    assert "CANDLEWICK_RETENTION_1m" in said[0]


def test_a_retention_of_nothing_keeps_for_ever(make_corner):
    corner = make_corner(RETENTION_1m="0", RETENTION_TRADES="0", RETENTION_CANDLE_VERSIONS="0")
    corner.write([a_candle(NOW - 4000 * DAY, 1), a_trade(1, NOW - 4000 * DAY)])
    assert corner.feed.rows("candles_1m", "TTL(close)") == [(None,)]
    assert corner.feed.rows("trades", "TTL(price)") == [(None,)]
    assert corner.feed.rows("candle_versions", "TTL(close)") == [(None,)]


def test_bad_candles_become_dead_letters_and_their_neighbours_rows(corner):
    good = [corner.feed.encoded(a_candle(NOW - n * MINUTE, 1, series="sim:P")) for n in range(12)]
    bad = {
        "undecodable": good[1][:-9],  # cut short
        "trailing_bytes": good[2] + b"\0",
        "unknown_schema": header(987_654_321) + good[3][5:],
        "wrong_magic": b"\7" + good[4][1:],
        "too_short": b"\0\0",
        "too_far_ahead": corner.feed.encoded(a_candle(NOW + 3 * DAY, 1, series="sim:P")),
        "invalid": corner.feed.encoded(a_candle(NOW, 1, series="sim:P", close=float("nan"))),
    }
    values = list(good)
    for place, value in enumerate(bad.values()):
        values.insert(2 * place + 1, value)
    for value in values:
        corner.feed.produce("candles-1m", value, b"sim:P")
    corner.feed.flush()
    corner.feed.wait([corner.sink])
    letters = corner.feed.dead_letters(len(bad))
    assert {headers["reason"]: value for value, headers in letters} == bad
    assert {headers["service"] for _, headers in letters} == {"sink"}
    assert all(headers["__connect.errors.topic"].endswith(".candles-1m.v1") for _, headers in letters)
    assert len([r for r in corner.feed.rows("candles_1m") if r[0] == "sim:P"]) == len(good)


def test_a_bad_record_as_long_as_kafka_takes_is_kept_by_its_beginning_and_holds_up_nothing(corner):
    space = corner.space
    # With the headers of a dead letter it is longer than the broker's 1,048,588 bytes, and chance cannot be compressed.
    value = random.Random(1).randbytes(1_048_400)
    longest = Producer({"bootstrap.servers": space.kafka, "message.max.bytes": 2_000_000, "partitioner": "murmur2_random"})
    taken = []
    longest.produce(topic_name("candles-1m", space.prefix), value, b"sim:L", on_delivery=lambda error, _: taken.append(error))
    assert longest.flush(30) == 0
    assert taken == [None]
    corner.write([a_candle(NOW, 1, series="sim:L")])
    (kept, headers) = wait_until(
        lambda: next((letter for letter in corner.feed.dead_letters(1) if "original_bytes" in letter[1]), None), 30, "its letter"
    )
    assert (kept, headers["original_bytes"], headers["reason"]) == (value[:KEPT_BYTES], str(len(value)), "wrong_magic")
    assert len([r for r in corner.feed.rows("candles_1m") if r[0] == "sim:L"]) == 1


def test_a_row_that_cassandra_refuses_is_a_dead_letter_and_the_rest_of_its_batch_is_written(corner):
    long = "x" * 70_000  # no key of Cassandra's may be longer than 65,535 bytes
    gaps = [a_gap(NOW - n * MINUTE, NOW, series="sim:R") for n in (3, 2, 1)]
    corner.write([gaps[0], replace(gaps[1], gap_id=long), gaps[2], replace(a_trade(1, NOW, symbol="R"), trade_id=long)])
    refused = wait_until(
        lambda: len(found := {h["__connect.errors.topic"] for _, h in letters_of(corner, "refused_by_store")}) > 1 and found,
        30,
        "both letters",
    )
    assert refused == {topic_name(dataset, corner.space.prefix) for dataset in ("gaps", "trades")}
    kept = [gap_id for series, gap_id in corner.feed.rows("gaps", "series, gap_id") if series == "sim:R"]
    assert sorted(kept) == sorted(g.gap_id for g in (gaps[0], gaps[2]))
    assert corner.sink.running


def letters_of(corner, reason):
    return [letter for letter in corner.feed.dead_letters(1) if letter[1]["reason"] == reason]


def test_bad_trades_are_left_to_the_processor_and_their_neighbours_land(corner):
    before = len(corner.feed.dead_letters(0))
    good = [corner.feed.encoded(a_trade(n, NOW, symbol="Z")) for n in range(50)]
    for number, value in enumerate(good):
        corner.feed.produce("trades", value, b"sim:Z")
        if number % 7 == 0:
            corner.feed.produce("trades", value[:-2], b"sim:Z")
    corner.feed.flush()
    corner.feed.wait([corner.sink])
    assert len([r for r in corner.feed.rows("trades") if r[0] == "sim:Z"]) == 50
    assert len(corner.feed.dead_letters(0)) == before


def test_feed_status_is_one_row_a_source_and_one_a_change(corner):
    statuses = [
        FeedStatus("sim", state, epoch=1, since=NOW + since * SECOND, sent_at=NOW + n * SECOND)
        for n, (state, since) in enumerate([("live", 0)] * 5 + [("down", 5)] * 3 + [("live", 8)] * 2)
    ]
    corner.write(statuses)
    assert corner.feed.rows("feed_status", "grp, source, state") == [("all", "sim", "live")]
    assert sorted(corner.feed.rows("feed_status_log", "since, state"), reverse=True)[0][1] == "live"
    assert [r[0] for r in corner.feed.rows("feed_status_log", "state")] == ["down", "live", "live"]


def test_law_8_resume_a_sink_killed_in_the_middle_leaves_every_row(make_corner):
    corner = make_corner(COMMIT_LAG_S="2")
    trades = [a_trade(n, NOW - n * 500, symbol=f"S{n % 5}") for n in range(30_000)]
    candles = [a_candle(NOW - n * MINUTE, 9, series=f"sim:S{n % 5}") for n in range(500)]
    corner.feed.send([*trades[:15_000], *candles[:250]])
    wait_until(lambda: sum(corner.feed.positions().values()) > 3000, 60, "the middle", [corner.sink])
    corner.sink.kill()
    corner.sink.start()
    corner.write([*trades[15_000:], *candles[250:]])
    assert len(corner.feed.rows("trades", "event_us")) == len(trades)
    assert len(corner.feed.rows("candles_1m", "start")) == len(candles)
    assert corner.sink.stop() == 0


def test_law_8_9_sinks_that_come_drain_and_die_under_load_leave_every_row_once(make_corner, tmp_path):
    corner = make_corner(COMMIT_LAG_S="1")
    trades = [a_trade(n, NOW - n, symbol=f"S{n % 9}") for n in range(6000)]
    candles = [a_candle(NOW - n * MINUTE, 9, series=f"sim:S{n % 9}") for n in range(600)]
    portions = [[*trades[n::4], *candles[n::4]] for n in range(4)]
    second = Service("sink", corner.space.env, tmp_path)
    try:
        corner.write(portions[0])
        for number, end in enumerate((second.stop, second.kill), start=1):
            before = second.tail(1000).count("partitions.assigned")
            second.start()
            wait_until(
                lambda seen=before: second.tail(1000).count("partitions.assigned") > seen, 60, "a share", [corner.sink, second]
            )
            corner.feed.send(portions[number])
            assert end() in (0, None)
        corner.feed.send(portions[3])
        corner.feed.wait([corner.sink])
    finally:
        second.discard()
    assert corner.feed.rows("trades", "instrument, event_us, trade_key") == sorted(
        (f"sim:S{n % 9}", trade.event_time, trade.trade_id) for n, trade in enumerate(trades)
    )
    assert len(corner.feed.rows("candles_1m", "start")) == len(corner.feed.rows("candle_versions", "start")) == len(candles)
    assert corner.sink.stop() == 0


def test_a_flood_of_bad_candles_ends_the_sink_keeps_each_as_a_dead_letter_once_and_is_behind_the_next_start(make_corner):
    corner = make_corner(COMMIT_LAG_S="1")
    good = corner.feed.encoded(a_candle(NOW, 1))
    for _ in range(150):
        corner.feed.produce("candles-1m", good[:-9], b"sim:X")
    corner.feed.flush()
    wait_until(lambda: not corner.sink.running, 60, "the end")
    assert corner.sink.stop() == 1
    assert "of the last minute were refused" in corner.sink.tail()
    corner.sink.start()
    corner.write([a_candle(NOW, 1)])
    assert len(corner.feed.rows("candles_1m")) == 1
    assert corner.sink.stop() == 0
    assert len(corner.feed.dead_letters(150)) == 150


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        ({"CANDLEWICK_KEYSPAZE": "md"}, 2, "CANDLEWICK_KEYSPAZE"),
        ({"CANDLEWICK_TIMEFRAMES": "5m"}, 2, "CANDLEWICK_TIMEFRAMES"),
        ({"CANDLEWICK_RETENTION_1m": "31"}, 1, "candlewick store apply"),
        ({"CANDLEWICK_KEYSPACE": "nowhere"}, 1, "candlewick store apply"),
        ({"CANDLEWICK_TOPIC_PREFIX": "nowhere"}, 1, "candlewick topics apply"),
    ],
)
def test_a_wrong_configuration_ends_the_sink_with_one_line(corner, tmp_path, settings, status, words):
    wrong = Service("sink", corner.space.env | settings, tmp_path).start()
    try:
        wait_until(lambda: not wrong.running, 60, "the end")
    finally:
        ended = wrong.stop()
    assert ended == status
    lines = [line for line in wrong.tail(100).splitlines() if "metrics.opened" not in line]
    assert len(lines) == 1
    assert words in lines[0]


def test_a_table_dropped_while_it_runs_ends_the_sink(make_corner):
    corner = make_corner()
    corner.write([a_candle(NOW, 1)])
    with connected(corner.space.cassandra) as session:
        session.execute(f"DROP TABLE {corner.space.keyspace}.candles_1m")
    corner.feed.send([a_candle(NOW, 2)])
    wait_until(lambda: not corner.sink.running, 60, "the end")
    assert corner.sink.stop() == 1
    assert "candlewick store apply" in corner.sink.tail()
