"""SHELL (Kafka). Sends history through a client of its own, so that a month of it never stands before a live trade."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from producer.errors import FatalError
from producer.history.counts import HistoryCounts
from producer.inflight import Lane
from schemas.codec import Encoder
from schemas.records import HistoryCandle, instrument_of
from schemas.topics import HISTORY

BUFFER_WAIT_S = 0.1
MAX_WAITING = 20_000  # records in the client: some megabytes, a second of the broker's work


class HistoryWriter:
    """Writes one source's history in the order given; used by one thread, the history's own.

    The lanes are the publisher's: its statuses tell their offsets, which it reads while this thread moves them. That needs
    no lock: an offset is one integer, and one that is a moment old only promises less.
    """

    def __init__(
        self,
        kafka: str,
        source: str,
        *,
        prefix: str,
        schema_id: int,
        lanes: Mapping[int, Lane],
        partition_of: Callable[[str], int],
        counts: HistoryCounts,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._topic = HISTORY.name(prefix)
        self._source = source
        self._lanes = lanes
        self._partition_of = partition_of
        self._counts = counts
        self._encode = Encoder(HistoryCandle, schema_id)
        self._failure: str | None = None
        self._routes: dict[str, tuple[bytes, int, Lane, Callable[[KafkaError | None, Message], None]]] = {}
        self._producer = Producer(
            {
                "client.id": f"candlewick-history-{source}",
                "compression.type": "zstd",
                "linger.ms": 20,
                **(options or {}),
                # As in the publisher: order and no repeats within a partition, and the partition every client computes.
                "queue.buffering.max.messages": MAX_WAITING,
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "error_cb": self._on_error,
            }
        )

    def send(self, record: HistoryCandle) -> None:
        """Give one record to Kafka; waits while the client is full.

        Raises:
            FatalError: a delivery failed.
        """
        key, partition, lane, delivered = self._routes.get(record.symbol) or self._route(record.symbol)
        value = self._encode(record)
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition, delivered)
            except BufferError:
                self.poll(BUFFER_WAIT_S)
            except KafkaException as error:
                raise FatalError(f"Kafka refused a history record: {error}") from error
            else:
                break
        lane.sent(record.receive_time)
        self._counts.records[record.record] += 1

    def poll(self, timeout_s: float = 0.0) -> None:
        """Take in acknowledgements.

        Raises:
            FatalError: a delivery failed.
        """
        self._producer.poll(timeout_s)
        if self._failure is not None:
            raise FatalError(f"Kafka: {self._failure}")

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged.

        Raises:
            FatalError: a delivery failed, or something is left after `timeout_s`.
        """
        left = self._producer.flush(timeout_s)
        self.poll()
        if left:
            raise FatalError(f"Kafka did not acknowledge {left} history records within {timeout_s:.0f} s")

    def _route(self, symbol: str) -> tuple[bytes, int, Lane, Callable[[KafkaError | None, Message], None]]:
        key = instrument_of(self._source, symbol).encode()
        partition = self._partition_of(symbol)  # the live records' own
        lane = self._lanes[partition]

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                lane.acknowledged(message.offset() or 0)
            else:
                self._failure = self._failure or f"a history record was not delivered: {error.str()}"

        route = self._routes[symbol] = (key, partition, lane, delivered)
        return route

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = self._failure or error.str()
