"""SHELL (Kafka, process). A feed at a steady rate, in a process of its own.

``python -m tests.bench.steady KAFKA REGISTRY PREFIX RATE SYMBOLS``

Trades are sent as they would be received, statuses on whole seconds, until the process is told to end. What it sends is cheap to
make: it must not take the core whose work is measured.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import replace

from confluent_kafka import Producer, murmur2

from schemas import topics
from schemas.avro import schema_text
from schemas.codec import Encoder
from schemas.records import FeedStatus, Served, Trade
from schemas.registry import Registry

PARTITIONS = 4
TICK_S = 0.005
LINGER_MS = 5  # the producer's own
BEHIND_US = 1000
"""A trade is received this long after it happened."""


class Steady:
    """Trades of `symbols` symbols in turn, `rate` a second, and their statuses."""

    def __init__(self, kafka: str, registry: str, prefix: str, rate: float, symbols: int) -> None:
        client = Registry(registry)
        self._rate = rate
        self._topics = topics.TRADES.name(prefix), topics.FEED_STATUS.name(prefix)
        self._encode_trade = Encoder(Trade, client.lookup(topics.TRADES.subject(prefix), schema_text(Trade)))
        self._encode_status = Encoder(FeedStatus, client.lookup(topics.FEED_STATUS.subject(prefix), schema_text(FeedStatus)))
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "partitioner": "murmur2_random",
                "linger.ms": LINGER_MS,
                "compression.type": "zstd",
                "enable.idempotence": True,
            }
        )
        self._names = [f"SYM{i}" for i in range(symbols)]
        self._keys = [f"bench:{name}".encode() for name in self._names]
        self._counts = [0] * symbols
        self._next = dict.fromkeys(range(PARTITIONS), 0)
        self._epoch = self._good_from = _now()
        self._sent = 0

    def run(self, stopped: threading.Event) -> None:
        """Feed until `stopped` is set."""
        began = time.monotonic()
        second = 0
        while not stopped.wait(TICK_S):
            due = int((time.monotonic() - began) * self._rate)
            while self._sent < due:
                self._send()
            self._producer.poll(0)
            if time.time() >= second:
                self._tell(named=second == 0)
                second = int(time.time()) + 1

    def _send(self) -> None:
        i = self._sent % len(self._names)
        number = self._counts[i]
        now = _now()
        price = 100.0 + (number * 7 + i) % 50 / 100
        record = Trade("bench", self._names[i], now - BEHIND_US, now, price, 1.0 + number % 9, epoch=self._epoch, sequence=number)
        while True:
            try:
                self._producer.produce(self._topics[0], self._encode_trade(record), self._keys[i], on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.05)
        self._counts[i] += 1
        self._sent += 1

    def _delivered(self, error: object, message: object) -> None:
        if error is not None:
            raise RuntimeError(error)
        partition, offset = message.partition(), message.offset()  # type: ignore[attr-defined]
        self._next[partition] = max(self._next[partition], offset + 1)

    def _tell(self, *, named: bool) -> None:
        now = _now()
        if self._producer.flush(30):
            raise TimeoutError("Kafka did not take everything in 30 s")
        status = FeedStatus(
            "bench", "live", epoch=self._epoch, sent_at=now, good_from=self._good_from, good_until=now, complete_to=now
        )
        for partition, following in self._next.items():
            ours = (n for n, key in zip(self._names, self._keys, strict=True) if murmur2(key, PARTITIONS) == partition)
            served = tuple(Served(n, "trades", self._good_from) for n in ours) if named else None
            told = replace(status, trades_offset=following, symbols=served)
            self._producer.produce(self._topics[1], self._encode_status(told), b"bench", partition)


def _now() -> int:
    return time.time_ns() // 1000


def main() -> None:
    """Feed until SIGTERM."""
    kafka, registry, prefix, rate, symbols = sys.argv[1:]
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    Steady(kafka, registry, prefix, float(rate), int(symbols)).run(stopped)


if __name__ == "__main__":
    main()
