"""A processor without state on topics whose beginning retention has taken: what it cannot know is not called silence (R17)."""

import json
import time
from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.records import Served
from schemas.timeframes import MINUTE, SECOND
from schemas.topics import TRADES
from tests.integration.test_bad_input import SOURCE, SYMBOL, Topics, a_status, a_trade
from tests.support.recording import Key
from tests.support.services import Service, candlewick, read_candles, read_gaps, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
SERIES = f"{SOURCE}:{SYMBOL}"


def test_law_4_a_feed_good_since_long_before_the_oldest_trade_left_tells_no_silence_of_that_time(make_space, tmp_path):
    space = make_space({"CANDLEWICK_TIMEFRAMES": "1m"})
    topics = Topics(space.env)
    this_minute = time.time_ns() // 1000 // MINUTE * MINUTE
    minutes = [this_minute - n * MINUTE for n in (4, 3, 2, 1)]
    long_ago = this_minute - 6000 * MINUTE
    for minute in minutes:
        partition, end = topics.write_trades([topics.trade(a_trade(minute, number)) for number in range(3)])
        status = replace(a_status(minute, end), good_from=long_ago, symbols=(Served(SYMBOL, "trades", long_ago),))
        topics.write_status(status, partition)
    deleted = TopicPartition(TRADES.name(space.prefix), partition, 3)
    admin = AdminClient({"bootstrap.servers": space.kafka})
    for done in admin.delete_records([deleted]).values():
        done.result(60)

    services = [Service(name, space.env, tmp_path).start() for name in ("processor", "sink")]
    try:
        last = Key(SERIES, "1m", minutes[-1] // 1000)
        wait_until(lambda: last in read_candles(space.env, "1m"), 60, "the last candle", services)
        known_from = minutes[1] + 5 * SECOND  # the clock of the status that the oldest trade left comes after
        told = [(gap.from_ms, gap.to_ms, gap.cause) for gap in read_gaps(space.env)]
        assert told == [(minutes[1] // 1000, known_from // 1000, "partial_start")]
        coverage = {key.start_ms * 1000: candle.coverage for key, candle in read_candles(space.env, "1m").items()}
        assert coverage == {minutes[1]: pytest.approx(55 / 60), minutes[2]: 1.0, minutes[3]: 1.0}
        report = json.loads(candlewick(space.env, "audit", "--json"))
        assert report["differences"] == []
        assert report["counts"]["candles compared in kafka"] == 1
        assert [service.stop() for service in services] == [0, 0]
    finally:
        for service in services:
            service.discard()
