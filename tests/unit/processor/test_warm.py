"""Reading the candle topics back into the cache: how far, what stops it, and what happens when Kafka does not give."""

import asyncio
import threading

import pytest

from processor import hot, warm
from processor.cache import Cache
from processor.events import Hub
from processor.hot import Hot
from processor.outgoing import Made
from processor.warm import CHUNK, Back, WarmError, fill
from schemas.avro import schema_of
from schemas.codec import Encoder
from schemas.records import Candle
from schemas.timeframes import parse_list
from tests.support.feeding import MINUTE, a_candle

TOPIC = Back("candles", Candle)
ENCODE = Encoder(Candle, 1)


class InMemory:
    """A log by topic; offsets are indices, None is a record that compaction took. Each read can be made to wait or to fail."""

    def __init__(self, topics, first=0):
        self.topics, self.first = topics, first
        self.read = []
        self.fail = 0
        self.gate = threading.Event()
        self.gate.set()
        self.closed = False

    def ends(self, topic, partition):
        return self.first, len(self.topics.get(topic, ()))

    def chunk(self, back, partition, first, stop):
        assert self.gate.wait(60)
        if self.fail:
            self.fail -= 1
            raise WarmError("no")
        self.read.append((back.topic, partition, first, stop))
        return [(r, ENCODE(r)) for r in self.topics[back.topic][first:stop] if r is not None]

    def stop(self):
        self.gate.set()

    def close(self):
        self.closed = True


def minutes(count, series="sim:X", trades=1):
    return [a_candle(n * MINUTE, trades, series=series) for n in range(count)]


def run(awaitable):
    return asyncio.run(asyncio.wait_for(awaitable, 30))


def test_it_reads_backwards_until_a_whole_chunk_says_nothing_new():
    log = InMemory({"candles": minutes(3 * CHUNK + 10)})
    cache = Cache(1 << 30)
    run(fill(cache, log, [TOPIC], 2))
    end = 3 * CHUNK + 10
    assert log.read == [("candles", 2, end - CHUNK, end), ("candles", 2, end - 2 * CHUNK, end - CHUNK)]
    assert cache.records == 1000
    assert not cache.partial


def test_it_reads_everything_there_is_where_all_of_it_is_wanted():
    records = [c for s in range(20) for c in minutes(900, f"sim:{s}")]
    log = InMemory({"candles": records}, first=5)
    cache = Cache(1 << 30)
    assert run(fill(cache, log, [TOPIC], 0)) == len(records) - 5
    assert cache.records == len(records) - 5
    assert not cache.partial


def test_a_chunk_that_compaction_took_is_no_reason_to_stop():
    log = InMemory({"candles": minutes(5) + [None] * (2 * CHUNK) + minutes(1, "sim:Y")})
    cache = Cache(1 << 30)
    run(fill(cache, log, [TOPIC], 0))
    assert cache.records == 6


def test_law_12_it_stops_at_the_byte_budget_and_answers_say_so():
    records = [c for s in range(100) for c in minutes(1000, f"sim:{s}")]
    log = InMemory({"candles": records})
    cache = Cache(4 << 20)
    run(fill(cache, log, [TOPIC], 0))
    assert cache.size <= 4 << 20
    assert cache.evictions == 0
    assert cache.partial
    assert len(log.read) < 5
    assert cache.newest("sim:0", "1m", 10, bytes).truncated


def test_it_goes_back_so_far_and_no_further(monkeypatch):
    monkeypatch.setattr(warm, "MOST_BACK", 50)
    log = InMemory({"candles": [c for s in range(100) for c in minutes(1, f"sim:{s}")]})
    cache = Cache(1 << 30)
    assert run(fill(cache, log, [TOPIC], 0)) == 50
    assert cache.partial


def a_hot(log, monkeypatch):
    monkeypatch.setattr(hot, "RETRY_S", (0.01,))
    return Hot(Cache(1 << 30), Hub(), lambda _: log, lambda _: schema_of(Candle), "t", parse_list("1m"))


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # the state of a task has no event
            await asyncio.sleep(0.005)


def test_a_partition_is_answerable_once_read_back_and_tried_again_until_then(monkeypatch):
    log = InMemory({"t.candles-1m.v1": minutes(10)})

    async def story():
        kept = a_hot(log, monkeypatch)
        log.fail = 3
        kept.own([0, 1])
        assert kept.loaded == set()
        await until(lambda: kept.loaded == {0, 1})
        await until(lambda: log.closed)
        assert "sim:X" in kept
        await kept.close()

    run(story())


@pytest.mark.parametrize("later", [[1], [0, 1], []])
def test_the_last_assignment_counts_whatever_was_being_read(later, monkeypatch):
    log = InMemory({"t.candles-1m.v1": minutes(10)})

    async def story():
        kept = a_hot(log, monkeypatch)
        log.gate.clear()
        kept.own([0])
        await asyncio.sleep(0)
        kept.own(later)
        await until(lambda: kept.loaded == set(later))
        assert ("sim:X" in kept) == bool(later)
        await kept.close()

    run(story())


def test_what_is_published_while_it_is_read_back_wins_by_version_alone(monkeypatch):
    log = InMemory({"t.candles-1m.v1": minutes(3, trades=5)})

    async def story():
        kept = a_hot(log, monkeypatch)
        log.gate.clear()
        kept.own([0])
        newer, older = a_candle(0, 9), a_candle(MINUTE, 2)
        kept.published([Made(newer, 0, (ENCODE(newer),)), Made(older, 0, (ENCODE(older),))])
        log.gate.set()
        await until(lambda: kept.loaded == {0})
        found = b",".join(kept.candles("sim:X", "1m", 10).records).decode()
        assert [part.split(",")[0] for part in found.split('"trade_count":')[1:]] == ["9", "5", "5"]
        await kept.close()

    run(story())
