"""SHELL (Kafka). A feed of our own for tests of crashes: steady trades and punctuated statuses, and a ledger of what was sent."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import Any

from confluent_kafka import Producer, murmur2

from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedStatus, Record, Served, Trade, instrument_of
from schemas.registry import Registry
from schemas.topics import FEED_STATUS, TRADES, Topic
from tests.support.stack import Space

SOURCE = "chaos"
SYMBOLS = 24
PARTITIONS = 4
TICK_S = 0.05
SERVED_EVERY = 20
LATE_SHARE = 0.02


class Market:
    """Trades of `SYMBOLS` symbols, the last ones rare, at a steady rate from `start` to `pause`; statuses until `stop`."""

    def __init__(self, space: Space, rate: float, seed: int = 1) -> None:
        self.sent: list[Trade] = []
        self._rate = rate
        self._rng = random.Random(seed)
        self._registry = Registry(space.registry)
        self._topics = {kind: topic.name(space.prefix) for kind, topic in (("trade", TRADES), ("status", FEED_STATUS))}
        self._encode_trade = Encoder(Trade, self._registered(space, TRADES, Trade))
        self._encode_status = Encoder(FeedStatus, self._registered(space, FEED_STATUS, FeedStatus))
        self._producer = Producer(
            {"bootstrap.servers": space.kafka, "partitioner": "murmur2_random", "linger.ms": 5, "enable.idempotence": True}
        )
        self._names = [f"S{i:02}" for i in range(SYMBOLS)]
        self._weights = [1.0] * (SYMBOLS - 4) + [0.001] * 4
        self._numbers: dict[str, int] = defaultdict(int)
        self._prices = {name: self._rng.uniform(10, 500) for name in self._names}
        self._next = dict.fromkeys(range(PARTITIONS), 0)
        self._epoch = self._good_from = _now()
        self._statuses = 0
        self._trading, self._stopped = threading.Event(), threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._guarded, daemon=True)

    def _registered(self, space: Space, topic: Topic, record: type[Record]) -> int:
        return self._registry.lookup(topic.subject(space.prefix), schema_text(record))

    def start(self) -> Market:
        """Begin."""
        self._trading.set()
        self._thread.start()
        return self

    def pause(self) -> int:
        """Send no more trades, only statuses; return the time after the last trade, microseconds."""
        self._trading.clear()
        time.sleep(2 * TICK_S)
        return _now()

    def stop(self) -> None:
        """Send nothing more.

        Raises:
            BaseException: what ended the feed before.
        """
        self._stopped.set()
        self._thread.join(30)
        if self._error is not None:
            raise self._error

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:
            self._error = error

    def _run(self) -> None:
        due, second = 0.0, 0
        while not self._stopped.wait(TICK_S):
            if self._trading.is_set():
                due += self._rate * TICK_S
                while due >= 1:
                    due -= 1
                    self._send(self._make())
            self._producer.poll(0)
            if time.time() >= second:
                second = int(time.time()) + 1
                self._tell()

    def _make(self) -> Trade:
        rng, now = self._rng, _now()
        (name,) = rng.choices(self._names, self._weights)
        event = now - rng.randrange(1_000, 60_000)
        if rng.random() < LATE_SHARE:
            event -= rng.randrange(3_000_000, 6_000_000)  # its second is closed by now
        self._prices[name] = round(max(1.0, self._prices[name] + rng.gauss(0, 0.05)), 2)
        number = self._numbers[name]
        self._numbers[name] += 1
        side: Any = rng.choice(("buy", "sell"))
        return Trade(
            SOURCE,
            name,
            event,
            now,
            self._prices[name],
            rng.randrange(1, 500) / 100,
            side=side,
            epoch=self._epoch,
            sequence=number,
        )

    def _send(self, trade: Trade) -> None:
        key = instrument_of(trade.source, trade.symbol).encode()
        self._producer.produce(self._topics["trade"], self._encode_trade(trade), key, on_delivery=self._delivered)
        self.sent.append(trade)

    def _delivered(self, error: Any, message: Any) -> None:
        assert error is None, error
        self._next[message.partition()] = max(self._next[message.partition()], message.offset() + 1)

    def _tell(self) -> None:
        now = _now()
        assert self._producer.flush(30) == 0  # only then is everything up to now acknowledged
        named = self._statuses % SERVED_EVERY == 0
        self._statuses += 1
        for partition, following in self._next.items():
            served = tuple(
                Served(name, "trades", self._good_from)
                for name in self._names
                if murmur2(instrument_of(SOURCE, name).encode(), PARTITIONS) == partition
            )
            status = FeedStatus(
                SOURCE,
                "live",
                epoch=self._epoch,
                since=self._good_from,
                sent_at=now,
                good_from=self._good_from,
                good_until=now,
                complete_to=now,
                trades_offset=following,
                symbols=served if named else None,
            )
            self._producer.produce(self._topics["status"], self._encode_status(status), SOURCE.encode(), partition)


def _now() -> int:
    return time.time_ns() // 1000
