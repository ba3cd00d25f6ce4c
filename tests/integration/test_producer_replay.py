"""The replay against real Kafka and registry: what it publishes, says and counts."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from confluent_kafka import Producer

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedStatus, Served
from schemas.registry import Registry
from schemas.topics import FEED_STATUS, TRADES
from tests.support.published import FOREIGN, corner, count, dead_letters, ends, quotes, statuses, trades
from tests.support.services import allowed, candlewick

pytestmark = pytest.mark.integration
M = 60_000_000
LINES = [
    {"type": "trade", "symbol": "A", "event_time_us": M + 1, "receive_time_us": M + 9, "price": 1, "size": 0},
    {"type": "quote", "symbol": "X Y:Z", "event_time_us": 2 * M + 10, "receive_time_us": 2 * M + 20, "bid": 1, "ask": 1.5},
    {"type": "trade", "symbol": "A", "event_time_us": M + 3, "receive_time_us": 2 * M + 30, "price": 2.5, "size": 1, "id": 7},
    {"type": "trade", "symbol": "B", "event_time_us": 3 * M - 1, "receive_time_us": 3 * M + 5, "price": 1, "size": 1, "id": "7"},
]


@pytest.fixture(scope="module")
def space(stack):
    """One corner for all; each test has a source of its own."""
    with corner(stack) as made:
        yield made


def write(path, lines):
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines) + b"\n")
    return str(path)


def run(space, *arguments, status=0):
    out = candlewick(space.env, "replay", *arguments, limit_s=60, status=status)
    return json.loads(out.splitlines()[-1]) if out else None


def test_a_run_publishes_counts_and_finishes(space, tmp_path):
    bad = [
        b"nonsense",
        b'{"type":"trade","symbol":"A","event_time_us":60000002,"price":NaN,"size":1}',
        b'{"type":"tick","symbol":"B"}',
    ]
    file = write(tmp_path / "f.jsonl", [LINES[0], *bad, *LINES[1:], LINES[2], b""])
    summary = run(space, file, "--finish", "--source", "rec")
    seconds = summary.pop("seconds")
    assert summary == {
        "read": 8, "published": 4, "repeats_dropped": 1, "refused": 3, "first_us": M + 1, "last_us": 3 * M - 1,
    }  # fmt: skip
    assert 0 < seconds < allowed(30)

    stored = trades(space, "rec")
    assert sorted((t.symbol, t.sequence, t.kind, t.trade_id, t.replay) for t in stored) == [
        ("A", 0, "update", None, True),
        ("A", 1, "trade", "7", True),
        ("B", 0, "trade", "7", True),
    ]
    assert [(q.source, q.symbol, q.sequence, q.bid, q.ask) for q in quotes(space, "rec")] == [("rec", "X Y:Z", 0, 1.0, 1.5)]

    letters = {value: (key, headers) for key, value, headers in dead_letters(space, "rec")}
    assert set(letters) == set(bad)
    assert [(letters[b][0], letters[b][1]["reason"], letters[b][1]["origin"]) for b in bad] == [
        (b"rec", "not_json", "f.jsonl:2"),
        (b"rec:A", "bad_price", "f.jsonl:3"),
        (b"rec:B", "unknown_type", "f.jsonl:4"),
    ]

    said = statuses(space, "rec")
    written = ends(space, TRADES, "rec")
    assert sorted(said) == [0, 1, 2, 3]
    for partition, series in said.items():
        first, last = series[0], series[-1]
        assert all(s.replay and s.source == "rec" and s.good_from == M and s.epoch == first.epoch for s in series)
        assert (first.state, first.complete_to, first.good_until) == ("live", M, M)
        assert (last.state, last.complete_to, last.good_until, last.since) == ("finished", 3 * M, 3 * M, 3 * M)
        assert [s.complete_to for s in series] == sorted(s.complete_to for s in series)
        assert {t.epoch for t in stored} == {first.epoch}
        assert last.trades_offset == written.get(partition, first.trades_offset)
    served = [served for series in said.values() for served in series[0].symbols]
    assert sorted(served, key=lambda s: s.symbol) == [
        Served("A", "trades", M), Served("B", "trades", 2 * M), Served("X Y:Z", "quotes", 2 * M),
    ]  # fmt: skip


def test_shuffled_and_packed_says_and_publishes_the_same_set(space, tmp_path):
    numbered = [{**line, "sequence": n} for n, line in enumerate(LINES * 20)]
    numbered = [{k: v for k, v in line.items() if k != "id"} for line in numbered]
    run(space, write(tmp_path / "a", numbered), "--source", "a", "--finish")
    random.Random(5).shuffle(numbered)
    packed = tmp_path / "b.gz"
    packed.write_bytes(gzip.compress(b"\n".join(json.dumps(line).encode() for line in numbered)))
    run(space, str(packed), "--source", "b", "--finish")
    a, b = trades(space, "a"), trades(space, "b")
    assert _contents(a) == _contents(b)
    for found in (a, b):
        assert sorted((t.symbol, t.sequence) for t in found) == [("A", n) for n in range(40)] + [("B", n) for n in range(20)]
    said = [[s for found in statuses(space, source).values() for s in found] for source in ("a", "b")]
    goods = [{(x.symbol, x.kind, x.good_from) for s in series for x in s.symbols or ()} for series in said]
    assert goods[0] == goods[1]
    assert {s.good_until for series in said for s in series if s.state == "finished"} == {3 * M}


def _contents(found):
    return sorted((t.symbol, t.venue_sequence, t.event_time, t.receive_time, t.price, t.size) for t in found)


def test_slow_replay_keeps_its_pace_stays_alive_and_stops_in_order(space, tmp_path):
    file = write(tmp_path / "f", [{**LINES[0], "event_time_us": M + n} for n in range(1, 1000)])
    before = count(space, TRADES)
    feeding = subprocess.Popen(
        [sys.executable, "-m", "producer", "replay", file, "--rate", "20", "--source", "slow"],
        env={**os.environ, **space.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    began = time.monotonic()
    while count(space, TRADES) < before + 30:
        assert time.monotonic() - began < allowed(30)
        assert feeding.poll() is None
    feeding.send_signal(signal.SIGTERM)
    out, _ = feeding.communicate(timeout=allowed(20))
    assert feeding.returncode == 0
    summary = json.loads(out)
    assert summary["published"] == len(trades(space, "slow")) < 999
    assert summary["published"] / 20 - 1 < summary["seconds"]
    for series in statuses(space, "slow").values():
        assert [s.state for s in series] == ["live"] * len(series)
        assert len(series) >= 3


def test_epoch_is_new_even_when_the_clock_was_set_back(space, tmp_path):
    ahead = time.time_ns() // 1000 + 3_600_000_000
    registry = Registry(space.registry)
    encode = Encoder(FeedStatus, registry.lookup(FEED_STATUS.subject(space.prefix), schema_text(FeedStatus)))
    producer = Producer({"bootstrap.servers": space.kafka})
    for epoch, source in ((ahead, "back"), (ahead + 50, "other")):
        producer.produce(FEED_STATUS.name(space.prefix), encode(FeedStatus(source, "down", epoch=epoch)), source.encode(), 0)
    producer.produce(FEED_STATUS.name(space.prefix), b"not ours", FOREIGN, 0)
    assert producer.flush(10) == 0
    run(space, write(tmp_path / "f", LINES), "--source", "back")
    assert {t.epoch for t in trades(space, "back")} == {ahead + 1}


def test_waiting_names_who_is_behind(space, tmp_path):
    candlewick(
        space.env,
        "replay",
        write(tmp_path / "f", LINES),
        "--source",
        "waiting",
        "--finish",
        "--wait",
        "--wait-timeout",
        "1",
        status=1,
    )


def test_file_without_a_record_says_nothing_of_a_feed(space, tmp_path):
    summary = run(space, write(tmp_path / "f", [b"nonsense"]), "--finish", "--source", "none")
    assert (summary["published"], summary["refused"], summary["first_us"]) == (0, 1, None)
    assert statuses(space, "none") == {}


@pytest.mark.parametrize("arguments", [["absent.jsonl"], ["{file}", "--rate", "fast"], ["{file}", "--source", "a:b"]])
def test_wrong_arguments_are_refused(space, tmp_path, arguments):
    file = write(tmp_path / "f", LINES)
    candlewick(space.env, "replay", *(a.format(file=file) for a in arguments), status=2)


def test_missing_topics_are_named(space, tmp_path):
    elsewhere = {**space.env, "CANDLEWICK_TOPIC_PREFIX": f"{space.prefix}x"}
    candlewick(elsewhere, "replay", write(tmp_path / "f", LINES), status=1)
