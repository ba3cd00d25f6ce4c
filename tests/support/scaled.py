"""SHELL (Kafka). A source on a clock of its own that runs faster than ours, with outages written into its timetable."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, replace
from typing import NamedTuple

from confluent_kafka import Producer, murmur2

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedState, FeedStatus, Record, Served, Trade, instrument_of
from schemas.registry import Registry
from schemas.topics import FEED_STATUS, TRADES, Topic
from tests.support.stack import Space

S = 1_000_000
PARTITIONS = 4
CHANCE = 0.6
"""Of a trade of a symbol in one second."""


class Outage(NamedTuple):
    """Seconds of the source's clock since its start: dead from, known from, good again from; and what a status calls it."""

    begin: int
    known: int
    end: int
    state: FeedState


@dataclass(frozen=True)
class Timetable:
    """What happens, in seconds of the source's clock; it begins in the past, so that its end is about now."""

    start_us: int
    length: int
    outages: tuple[Outage, ...]

    def at(self, second: float) -> int:
        """Return an instant of the clock, microseconds."""
        return self.start_us + round(second * S)


class Scaled:
    """Trades and a status each second of its clock, `speed` of them in one of ours; ends as `finished`."""

    def __init__(self, space: Space, source: str, symbols: int, table: Timetable, speed: float) -> None:
        self.source = source
        self.series = [f"{source}:S{n}" for n in range(symbols)]
        self.sent: list[Trade] = []
        self.second = 0
        """How far its clock is."""
        self._table = table
        self._speed = speed
        self._rng = random.Random(5)
        self._registry = Registry(space.registry)
        self._trades, self._statuses = TRADES.name(space.prefix), FEED_STATUS.name(space.prefix)
        self._encode_trade = Encoder(Trade, self._registered(space, TRADES, Trade))
        self._encode_status = Encoder(FeedStatus, self._registered(space, FEED_STATUS, FeedStatus))
        self._producer = Producer({"bootstrap.servers": space.kafka, "partitioner": "murmur2_random", "linger.ms": 5})
        self._next = dict.fromkeys(range(PARTITIONS), 0)
        self._numbers = dict.fromkeys(self.series, 0)
        self._thread = threading.Thread(target=self._guarded, daemon=True)
        self._stopped = threading.Event()
        self._error: BaseException | None = None

    def _registered(self, space: Space, topic: Topic, record: type[Record]) -> int:
        return self._registry.lookup(topic.subject(space.prefix), schema_text(record))

    def start(self) -> Scaled:
        """Begin."""
        self._thread.start()
        return self

    @property
    def over(self) -> bool:
        """Tell whether the timetable is at its end; raises what ended it early."""
        if self._error is not None:
            raise self._error
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End early."""
        self._stopped.set()
        self._thread.join(30)

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._error = error

    def _run(self) -> None:
        began = time.monotonic()
        for second in range(self._table.length + 1):
            self.second = second
            if self._stopped.wait(max(0.0, began + self.second / self._speed - time.monotonic())):
                return
            now = self._table.at(self.second)
            if not any(o.begin <= self.second - 1 < o.end for o in self._table.outages) and self.second:
                self._trade(now - S)
            self._tell(now, finished=self.second == self._table.length)
        assert self._producer.flush(30) == 0

    def _trade(self, begin: int) -> None:
        # The second that has just passed.
        for name in self.series:
            if self._rng.random() < CHANCE:
                event = begin + self._rng.randrange(S)
                symbol = name.partition(":")[2]
                number = self._numbers[name]
                self._numbers[name] += 1
                price = 100 + self._rng.randrange(200) / 100
                trade = Trade(self.source, symbol, event, event + 1000, price, 1.5, epoch=1, sequence=number)
                self._producer.produce(self._trades, self._encode_trade(trade), name.encode(), on_delivery=self._delivered)
                self.sent.append(trade)

    def _delivered(self, error: object, message: object) -> None:
        assert error is None, error
        partition, offset = message.partition(), message.offset()  # type: ignore[attr-defined]
        self._next[partition] = max(self._next[partition], offset + 1)

    def _tell(self, now: int, *, finished: bool) -> None:
        assert self._producer.flush(30) == 0  # only then is everything up to now acknowledged
        status = FeedStatus(
            self.source, "live", epoch=1, sent_at=now, good_from=self._table.start_us, good_until=now, complete_to=now
        )
        for o in self._table.outages:
            if self.second >= o.end:
                status = replace(status, good_from=self._table.at(o.end))
            elif self.second >= o.known:
                status = replace(status, state=o.state, good_until=self._table.at(o.begin))
        if finished:
            status = replace(status, state="finished")
        for partition, following in self._next.items():
            served = tuple(
                Served(name.partition(":")[2], "trades", status.good_from)
                for name in self.series
                if murmur2(instrument_of(self.source, name.partition(":")[2]).encode(), PARTITIONS) == partition
            )
            named = self.second % 60 == 0
            told = replace(status, trades_offset=following, symbols=served if named else None)
            self._producer.produce(self._statuses, self._encode_status(told), self.source.encode(), partition)
