"""A group through real servers: A goes down, B carries its minutes, the processor begins anew, A returns (case O)."""

import json
import time

import pytest
from confluent_kafka import murmur2

from deploy.cassandra.connect import connected
from deploy.console.store import Store
from producer.cluster import survey
from producer.history.counts import HistoryCounts
from producer.history.writer import HistoryWriter
from producer.publisher import Publisher
from producer.telemetry import Counts
from schemas.groups import parse_groups
from schemas.records import FeedStatus, HistoryCandle, Served, Trade, instrument_of
from schemas.registry import Registry
from schemas.timeframes import MINUTE, SECOND
from schemas.topics import HISTORY, TRADES
from tests.support import published
from tests.support.pages import Pages
from tests.support.services import Service, candlewick, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

GROUPS = "market=alpha:X,beta:Y"
SETTINGS = {"CANDLEWICK_TIMEFRAMES": "1m,5m", "CANDLEWICK_GROUPS": GROUPS, "CANDLEWICK_PRODUCER_SILENT_S": "3600"}
NOW = time.time_ns() // 1000
ZERO = (NOW - 8 * MINUTE) // (5 * MINUTE) * 5 * MINUTE
"""Minute 0 of the story; some minutes ago, so that it can be told at once."""


class Source:
    """A source of one symbol whose records go the producer's own way."""

    def __init__(self, space, name, symbol):
        self.name, self.symbol = name, symbol
        cluster = survey(space.kafka, Registry(space.registry), space.prefix, name, {})
        self.publisher = Publisher(
            space.kafka,
            name,
            prefix=space.prefix,
            schema_ids=cluster.schema_ids,
            ends=cluster.ends,
            partitions=cluster.partitions,
            counts=Counts(),
            linger_ms=5,
            groups=parse_groups(GROUPS),
        )
        self.epoch, self.sequence = NOW, 0

    def trades(self, price, *minutes):
        """Send a trade in each of these minutes, at its half."""
        for minute in minutes:
            at = ZERO + minute * MINUTE + 30 * SECOND
            trade = Trade(self.name, self.symbol, at, at + 1000, price + minute, 2.0, epoch=self.epoch, sequence=self.sequence)
            self.publisher.send(trade)
            self.sequence += 1
        self.publisher.flush(20)

    def says(self, minute, state="live", good_from=-1.0, good_until=None):
        """Send a status of this minute to every partition; times are minutes of the story."""
        at = ZERO + round(minute * MINUTE)
        begun = ZERO + round(good_from * MINUTE)
        until = at if good_until is None else ZERO + round(good_until * MINUTE)
        for partition in range(self.publisher.partitions):
            mine = partition == self.publisher.partition_of(self.symbol)
            served = (Served(self.symbol, "trades", ZERO - MINUTE),) if mine else ()
            progress = self.publisher.progress(partition)
            status = FeedStatus(
                self.name, state, epoch=self.epoch, since=begun, sent_at=at, good_from=begun, good_until=until, complete_to=at,
                trades_offset=progress.trades_offset, quotes_offset=progress.quotes_offset,
                history_offset=progress.history_offset, symbols=served,
            )  # fmt: skip
            self.publisher.send_status(partition, status)
        self.publisher.flush(20)


@pytest.fixture(scope="module")
def space(make_space):
    return make_space(SETTINGS)


@pytest.fixture(scope="module")
def services(space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    running = {name: Service(name, space.env, folder).start() for name in ("processor", "sink")}
    yield running
    for service in running.values():
        service.discard()


def group_candles(pages, timeframe="1m"):
    status, answer = pages.candles("group:market", timeframe)
    return {(c["start"] - ZERO) // MINUTE: c for c in answer["candles"] if c["state"] != "live"} if status == 200 else {}


def group_gaps(pages):
    status, answer = pages.gaps("group:market")
    found = [g for g in answer["gaps"] if g["to_time"] != g["from_time"]] if status == 200 else []
    return sorted(found, key=lambda g: g["from_time"])


def minute_of(time_us):
    return None if time_us is None else (time_us - ZERO) // MINUTE


def test_case_o_b_carries_what_a_lost_and_a_returns_through_kafka_and_a_restart(space, services):
    processor = services["processor"]
    pages = Pages(processor)
    a, b = Source(space, "alpha", "X"), Source(space, "beta", "Y")
    for source in (a, b):
        source.says(-1)
    a.trades(100.0, 0, 1)
    b.trades(200.0, 0, 1, 2, 3, 4, 5)
    a.says(2.5, "down", good_until=2.1)
    a.says(3.04, "down", good_until=2.1)
    b.says(3.04)
    pages.wait_rebuilt()
    wait_until(lambda: 2 in group_candles(pages), 60, "b's minute", [processor])
    processor.stop()  # a kill in the middle of a flush is a property (test_group_laws): its 15 s of a session are not spent here
    processor.start()
    a.says(4.02, good_from=4.0)
    a.trades(100.0, 4, 5)
    b.says(6.04)
    a.says(6.04, good_from=4.0)
    for source in (b, a):  # nobody trades in minute 6, and both are gone from minute 7 on
        source.says(7.04, good_from=-1.0 if source is b else 4.0)
    for source in (b, a):
        source.says(8.04, "down", good_until=7.0, good_from=-1.0 if source is b else 4.0)
    pages.wait_rebuilt()
    wait_until(lambda: 5 in group_candles(pages) and group_candles(pages, "5m"), 60, "the last minute", [processor])
    wait_until(lambda: len(group_gaps(pages)) == 3, 60, "the group's gaps", [processor])

    found = group_candles(pages)
    assert {m: c["source"] for m, c in found.items()} == {0: "alpha", 1: "alpha", 2: "beta", 3: "beta", 4: "alpha", 5: "alpha"}
    assert [c["close"] for c in found.values()] == [100.0, 101.0, 202.0, 203.0, 104.0, 105.0]
    assert {c["coverage"] for c in found.values()} == {1.0}
    parent = group_candles(pages, "5m")[0]
    assert (parent["source"], parent["trade_count"], parent["volume"]) == ("alpha,beta", 5, 10.0)
    assert "group:market" in pages.get("/series")[1]["series"]
    empty = [("no_trades", "closed", -1, 0), ("no_trades", "closed", 6, 7), ("feed_down", "open", 7, None)]
    assert [(g["cause"], g["state"], minute_of(g["from_time"]), minute_of(g["to_time"])) for g in group_gaps(pages)] == empty
    assert {(g["source"], g["symbol"], g["fillable"]) for g in group_gaps(pages)} == {("alpha", "X", False)}

    place = murmur2(b"market", a.publisher.partitions)
    records = published.messages(space, TRADES)
    assert {m.partition() for m in records} == {place}
    assert {m.key() for m in records} == {instrument_of(s.name, s.symbol).encode() for s in (a, b)}
    of_group = [c for c in published.candles(space, "1m") if c.series == "group:market"]
    assert {c.input_partition for c in of_group} == {place}
    assert {c.state for c in of_group} == {"final"}, "each minute was decided once, before and after the restart"

    def clean():
        asked = [f"--series={series}" for series in ("group:market", "alpha:X", "beta:Y")]
        report = json.loads(candlewick(space.env, "audit", "--json", *asked, status=None, limit_s=120))
        return report if report["clean"] and not any("not yet" in c for c in report["counts"]) else None

    report = wait_until(clean, 60, "a clean audit")
    assert report["counts"]["gaps compared in kafka"] == report["counts"]["gaps compared in cassandra"] >= 1
    # Six minutes of the group and of b, four of a; each 5m window that began with minute 0.
    assert report["counts"]["candles compared in kafka"] == report["counts"]["candles compared in cassandra"] >= 6 + 6 + 4 + 3
    with connected(space.cassandra) as session:
        rows = session.execute(f"SELECT source FROM {space.keyspace}.candles_1m WHERE series = 'group:market'")
        assert [row.source for row in rows] == [found[m]["source"] for m in sorted(found, reverse=True)]
        on_the_page = [g for g in Store(session, space.keyspace).gaps("group:market", 100) if g["to_time"] != g["from_time"]]
        assert [(g["cause"], g["state"], minute_of(g["from_time"]), minute_of(g["to_time"])) for g in on_the_page] == empty
    read = json.loads(candlewick(space.env, "gaps", "group:market", "--format=json"))
    told = [(g["cause"], g["state"], minute_of(g["from_ms"] * 1000), g["to_ms"] and minute_of(g["to_ms"] * 1000)) for g in read]
    assert told == empty
    in_kafka = [g for g in published.gaps(space, "alpha") if g.series == "group:market"]
    assert len({(g.gap_id, g.version) for g in in_kafka}) == len(in_kafka), "each was told once, before and after the restart"


def test_history_goes_where_its_group_is(space):
    source = Source(space, "beta", "Y")
    cluster = survey(space.kafka, Registry(space.registry), space.prefix, "beta", {})
    writer = HistoryWriter(
        space.kafka,
        "beta",
        prefix=space.prefix,
        schema_id=cluster.schema_ids[HistoryCandle],
        lanes=source.publisher.history_lanes(),
        partition_of=source.publisher.partition_of,
        counts=HistoryCounts(),
    )
    writer.send(HistoryCandle("beta", "Y", record="result", start=ZERO, end=ZERO, outcome="refused", receive_time=NOW))
    writer.flush(20)
    place = murmur2(b"market", cluster.partitions)
    assert [m.partition() for m in published.messages(space, HISTORY)] == [place]
    assert source.publisher.progress(place).history_offset == 1
