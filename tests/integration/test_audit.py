"""`candlewick audit` on the real stack: a proof that what is out is what the input makes, and `candlewick rebuild`, the cure.

Law 7 (live = rebuild): what the services have published and stored is bit for bit what reading the topics again gives.
"""

import json
from dataclasses import replace

import pytest
from confluent_kafka import Producer

from deploy.cassandra.connect import connected
from schemas import topics
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import Candle, FeedStatus, Served, Trade, instrument_of
from schemas.registry import Registry
from schemas.timeframes import MINUTE, SECOND
from tests.support import oracles, published
from tests.support.services import Service, candlewick, replay, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SETTINGS = {
    "CANDLEWICK_TIMEFRAMES": "1m,5m,1h",
    "CANDLEWICK_QUOTE_PRICES": "mid,bid",
    **{f"CANDLEWICK_RETENTION_{name}": "0" for name in ("1m", "5m", "1h", "GAPS")},  # these candles are years old
}


@pytest.fixture(scope="module")
def space(make_space):
    return make_space(SETTINGS)


@pytest.fixture(scope="module")
def services(space, tmp_path_factory):
    folder = tmp_path_factory.mktemp("services")
    running = [Service("processor", space.env, folder).start(), Service("sink", space.env, folder).start()]
    yield running
    for service in running:
        service.discard()


@pytest.fixture(scope="module")
def replayed(space, services, tmp_path_factory):
    """Two recordings, one of trades and one of quotes, the first of them twice: a finished run and its repetition."""
    folder = tmp_path_factory.mktemp("lines")
    for name in ("equity-usa", "dukascopy", "equity-usa"):
        replay(space.env, oracles.recording(name), folder)
    return folder


def audit(space, *arguments, status=0):
    return json.loads(candlewick(space.env, "audit", "--json", *arguments, status=status, limit_s=120))


def until_clean(space, *arguments):
    """Audit until the sink has written everything."""

    def clean():
        report = audit(space, *arguments, status=None)
        return report if report["clean"] and not any("not yet" in c for c in report["counts"]) else None

    return wait_until(clean, 60, "a clean audit")


def test_law_7_replays_are_out_exactly_as_their_topics_make_them(space, replayed):
    report = until_clean(space)
    assert report["counts"]["candles compared in kafka"] == report["counts"]["candles compared in cassandra"] > 300
    assert report["counts"]["gaps compared in cassandra"] > 0
    assert "candles not checkable" not in report["counts"]


def test_law_1_the_account_holds_every_trade_of_the_newest_run(space, replayed):
    recording = oracles.recording("equity-usa")
    accounts = audit(space)["accounts"]
    assert sum(a["read"] for a in accounts if a["series"].startswith(recording.source)) == recording.records
    assert [a for a in accounts if not a["balances"] or a["open"] or a["not_compared"]] == []


def candles_of(space, timeframe="1m"):
    topic = next(t for t in topics.catalogue((_frame(timeframe),)) if t.dataset == f"candles-{timeframe}")
    return topic, published._records(space, topic, Candle)


def _frame(name):
    from schemas.timeframes import parse

    return parse(name)


def tamper(space):
    """Write one wrong candle with a higher version, and return it."""
    topic, found = candles_of(space)
    partition, true = next((p, c) for p, c in found if c.price == "trade")
    wrong = replace(true, close=true.close * 1.5, high=max(true.high, true.close * 1.5), version=true.version + 7)
    encode = Encoder(Candle, Registry(space.registry).lookup(topic.subject(space.prefix), schema_text(Candle)))
    producer = Producer({"bootstrap.servers": space.kafka})
    producer.produce(topic.name(space.prefix), encode(wrong), wrong.series.encode(), partition)
    assert producer.flush(20) == 0
    return wrong


def test_a_wrong_candle_is_found_alone_and_rebuild_repairs_it(space, replayed):
    until_clean(space)
    wrong = tamper(space)
    report = audit(space, status=1)
    assert [(d["kind"], d["series"], d["timeframe"], d["start_us"]) for d in report["differences"]] == [
        ("candle", wrong.series, "1m", wrong.start)
    ]
    assert "close is" in report["differences"][0]["places"]["kafka"]
    dry = candlewick(space.env, "rebuild", "--dry-run")
    assert "1 would be published under generation 1, 0 cannot be mended" in dry
    assert audit(space, "--kafka-only", status=1)["differences_total"] == 1
    said = candlewick(space.env, "rebuild")
    assert "1 published under generation 1, 0 cannot be mended" in said
    assert until_clean(space)["generation"] == 1
    _, found = candles_of(space)
    newest = max((c for _, c in found if (c.series, c.start) == (wrong.series, wrong.start)), key=lambda c: c.version)
    assert (newest.state, newest.reason) == ("revised", "rebuild")


def test_a_row_that_is_gone_from_cassandra_is_found(space, replayed):
    until_clean(space)
    series = audit(space)["accounts"][0]["series"]
    with connected(space.cassandra) as session:
        start = session.execute(f"SELECT start FROM {space.keyspace}.candles_5m WHERE series = %s LIMIT 1", (series,)).one().start
        session.execute(f"DELETE FROM {space.keyspace}.candles_5m WHERE series = %s AND start = %s", (series, start))
    report = audit(space, status=1)
    assert [(d["series"], d["timeframe"], d["places"]) for d in report["differences"]] == [
        (series, "5m", {"cassandra": "is missing"})
    ]
    assert audit(space, "--kafka-only")["clean"]
    assert audit(space, "--timeframe", "1m")["clean"]


def test_wrong_arguments_end_with_status_2(space, services):
    candlewick(space.env, "audit", "--from", "10", "--to", "10", status=2)
    candlewick(space.env, "audit", "--timeframe", "7m", status=2)
    candlewick(space.env, "rebuild", "--generation", "0", status=2)


class Feed:
    """A live producer written by hand: trades and statuses of one symbol, times in seconds from a minute's beginning."""

    def __init__(self, space, source):
        self.space, self.source, self.zero = space, source, 20_000 * 86_400 * SECOND
        registry = Registry(space.registry)
        self.topics = {Trade: topics.TRADES, FeedStatus: topics.FEED_STATUS}
        self.encode = {
            record: Encoder(record, registry.lookup(topic.subject(space.prefix), schema_text(record)))
            for record, topic in self.topics.items()
        }
        self.producer = Producer({"bootstrap.servers": space.kafka, "partitioner": "murmur2_random"})
        self.ends, self.sequence = dict.fromkeys(range(4), 0), 0

    def at(self, seconds):
        return self.zero + round(seconds * SECOND)

    def trade(self, seconds, price, size=1.0, received=None):
        self.sequence += 1
        time = self.at(seconds)
        received = self.at(seconds if received is None else received)
        record = Trade(self.source, "X", time, received, price, size, epoch=1, sequence=self.sequence)

        def acknowledged(error, message):
            assert error is None
            self.ends[message.partition()] = message.offset() + 1

        topic = topics.TRADES.name(self.space.prefix)
        key = instrument_of(self.source, "X").encode()
        self.producer.produce(topic, self.encode[Trade](record), key, on_delivery=acknowledged)
        assert self.producer.flush(20) == 0

    def status(self, seconds, state="live", good_from=0.0, good_until=None):
        now = self.at(seconds)
        until = now if state == "live" else self.at(good_until)
        for partition, end in self.ends.items():
            status = FeedStatus(
                self.source, state, epoch=1, sent_at=now, good_from=self.at(good_from), good_until=until, complete_to=now,
                trades_offset=end, symbols=(Served("X", "trades", self.at(0)),) if end else (),
            )  # fmt: skip
            topic = topics.FEED_STATUS.name(self.space.prefix)
            self.producer.produce(topic, self.encode[FeedStatus](status), self.source.encode(), partition)
        assert self.producer.flush(20) == 0


def test_law_7_a_live_feed_with_an_outage_and_late_trades_is_out_as_its_topics_make_it(space, services):
    feed = Feed(space, "venue")
    for second in range(5, 175, 10):
        feed.trade(second, 10 + second / 100)
        feed.status(second + 1)
    feed.status(183, "down", good_until=180)
    feed.status(200, "down", good_until=180)
    feed.status(301, good_from=300.5)
    feed.trade(310, 20.0)
    feed.trade(20, 1.0, received=320)  # late: it revises the first minute
    feed.trade(15, 1.0, received=9000)  # beyond the horizon
    for second in range(360, 9060, 300):
        feed.status(second, good_from=300.5)
    series = "venue:X"
    gaps = wait_until(
        lambda: [
            row for row in json.loads(candlewick(space.env, "gaps", series, "--format", "json")) if row["cause"] == "feed_down"
        ],
        60,
        "the outage in Cassandra",
        services,
    )
    assert len(gaps) == 1

    def compared():
        report = audit(space, "--series", series, status=None)
        return report if report["counts"].get("candles compared in cassandra", 0) >= 4 and report["clean"] else None

    report = wait_until(compared, 60, "an audit that compares the live feed", services)
    (account,) = report["accounts"]
    assert (account["read"], account["late"], account["open"], account["balances"]) == (20, 1, 0, True)
    inside = audit(space, "--series", series, "--from", str(feed.at(60) // 1000), "--to", str(feed.at(120) // 1000))
    assert inside["accounts"][0]["read"] == 6
    assert feed.at(60) - feed.at(0) == MINUTE
