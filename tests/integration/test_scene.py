"""One scene with everything in it: a real producer on a simulated venue and a source on a fast clock, workers that die and join.

Judged by what a consumer keeps: every outage is one gap with its cause and its borders, none is invented, every trade is counted,
and `candlewick audit` finds nothing that the input would make otherwise, in Kafka and in Cassandra.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from schemas import topics
from tests.support import judge, published
from tests.support.feeding import feeding
from tests.support.scaled import Outage, Scaled, Timetable
from tests.support.services import Service, allowed, candlewick, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.chaos, pytest.mark.timeout(600)]
S = 1_000_000
SPEED = 20
LENGTH = 660
OUTAGES = (Outage(60, 61, 62, "down"), Outage(120, 123, 160, "down"), Outage(240, 246, 540, "stale"))
CAUSES = {"down": "feed_down", "stale": "feed_stale"}
HARMLESS = {"no_trades", "partial_start"}
AWAY_S = 7
SILENT_S = 6
BORDER = allowed(1) * S
SETTINGS = {"CANDLEWICK_TIMEFRAMES": "1s,1m,5m"}


@pytest.fixture
def space(make_space):
    return make_space(SETTINGS)


@pytest.fixture
def venue():
    command = [sys.executable, "-m", "deploy.simulator", "--seed", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())
        process.terminate()
        process.wait(60)


@pytest.fixture
def start(space, venue, tmp_path, monkeypatch):
    """A function (name, role) -> that service, running, in an empty folder with a log of its own elsewhere."""
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    empty = tmp_path / "started-here"
    empty.mkdir()
    monkeypatch.chdir(empty)
    feed = {
        "FINNHUB_URL": venue["ws"],
        "FINNHUB_TOKEN": "simulator",
        "FINNHUB_SYMBOLS": ",".join(venue["symbols"]),
        "CANDLEWICK_LIVENESS_FEED_S": "3",
        "CANDLEWICK_BACKOFF_MAX_S": "1",
    }
    made = []

    def run(name, role, *arguments):
        folder = tmp_path / name
        folder.mkdir()
        service = Service(role, {**space.env, **(feed if role == "producer" else {})}, folder, *arguments).start()
        made.append(service)
        return service

    yield run
    for service in made:
        service.discard()


@pytest.fixture
def scaled(space):
    table = Timetable((now() // S - LENGTH) * S, LENGTH, OUTAGES)
    source = Scaled(space, "scaled", 6, table, SPEED)
    yield source
    source.stop()


def test_law_4_5_7_8_every_outage_is_one_gap_and_the_audit_finds_nothing_through_deaths_and_joins(
    space, venue, start, scaled, tmp_path
):
    first, second, sink = start("first", "processor"), start("second", "processor"), start("sink", "sink")
    producer = start("producer", "producer", "finnhub")
    both = [second, sink]
    wait_until(lambda: owned_by(second) and owned_by(first), 60, "partitions for both workers", [first, second])
    scaled.start()
    wait_until(lambda: judge.candles(space, "1s"), 60, "the first candle", [first, *both])

    # The venue drops the line for two seconds; a worker is killed meanwhile, and another one joins.
    dropped = fault(venue, "drop", seconds=2)
    first.kill()
    third = start("third", "processor")
    until(dropped + 8 * S)
    # It goes silent on an open line.
    silent = fault(venue, "silent", seconds=SILENT_S)
    until(silent + (SILENT_S + 6) * S)
    # The producer is killed, just after it has spoken, and comes back.
    until((now() // S + 1) * S + S // 3)
    producer.kill()
    killed = now()
    until(killed + AWAY_S * S)
    producer.start()
    wait_until(lambda: len({s.epoch for s in goods(space)}) == 2, 30, "the second producer's feed", [producer])
    wait_until(lambda: scaled.over, 60, "the end of the timetable", [*both, third])
    assert producer.stop() == 0
    stopped = now()
    # Its last windows close when the owner of the partition declares it gone.
    wait_until(lambda: counted(space) == sent(space, scaled), 30, "the last windows to close", [*both, third])
    settle(space, [*both, third])

    gaps = judge.spans(judge.gap_records(space))
    expected = [(CAUSES[o.state], scaled._table.at(o.begin), scaled._table.at(o.end)) for o in OUTAGES]
    for name in scaled.series:
        assert losses(gaps, name) == expected
    ended = [status.good_from for status in goods(space)]
    for symbol in venue["symbols"]:
        found = losses(gaps, f"finnhub:{symbol}")
        assert [cause for cause, _, _ in found][:3] == ["feed_down", "feed_stale", "producer_down"]
        for (_, begin, end), at in zip(found, (dropped, silent, killed), strict=False):
            assert abs(begin - at) < BORDER
            assert abs(end - min(moment for moment in ended if moment > at)) < BORDER
        for cause, begin, end in found[3:]:  # it has left for good
            assert (cause, end) == ("producer_down", None)
            assert abs(begin - stopped) < 2 * BORDER

    report = json.loads(candlewick(space.env, "audit", "--json", limit_s=60, status=None))
    assert report["differences"] == []
    assert report["clean"]
    assert report["counts"]["candles compared in kafka"] == report["counts"]["candles compared in cassandra"] > 1000
    assert counted(space) == sent(space, scaled)
    assert [service.stop() for service in (*both, third)] == [0, 0, 0]
    assert list((tmp_path / "started-here").iterdir()) == [], "services write nothing where they were started"


def now():
    return time.time_ns() // 1000


def until(instant):
    wait_until(lambda: now() >= instant, 60, "time to pass")


def fault(venue, kind, **options):
    """Ask the venue for a fault and return when that was."""
    answer = requests.post(f"{venue['ctl']}/fault", json={"kind": kind, **options}, timeout=60)
    assert answer.ok, answer.text
    return now()


def owned_by(service):
    return '"partitions.assigned"' in service.log.read_text(errors="replace") if service.log.exists() else False


def goods(space):
    """The first status of each time that finnhub's feed was good."""
    found = {}
    for told in published.statuses(space, "finnhub", 0).values():
        for status in told:
            if status.state == "live":
                found.setdefault((status.epoch, status.good_from), status)
    return list(found.values())


def counted(space):
    """Records in the closed 1s candles."""
    return sum(c.trade_count + c.update_count for c in judge.latest(judge.candles(space, "1s")).values())


def sent(space, scaled):
    """Records that both feeds have published."""
    return len(published.trades(space, "finnhub")) + len(scaled.sent)


def settle(space, services):
    """Wait until everything read is committed and everything published is written."""
    upto = judge.ends(space)
    wait_until(lambda: judge.committed(space, upto), 60, "everything to be committed", services)
    names = [t.name(space.prefix) for t in (topics.GAPS, topics.TRADES)]
    names += [topics.topic_name(topics.candles_dataset(t), space.prefix) for t in ("1s", "1m", "5m")]
    with feeding(space) as feed:
        ends = {(n, p): end for n in names for p, end in topic_ends(space, n).items()}
        wait_until(lambda: all(feed.positions().get(at, 0) >= end for at, end in ends.items() if end), 60, "the sink", services)


def topic_ends(space, name):
    with published._consumer(space) as consumer:
        return dict(published._ends(consumer, name))


def losses(gaps, series):
    """(cause, from, to) of a series' gaps that are losses, in order."""
    found = sorted((g for g in gaps if g.series == series), key=lambda g: g.start)
    return [(g.cause, g.start, g.end) for g in found if g.cause not in HARMLESS]
