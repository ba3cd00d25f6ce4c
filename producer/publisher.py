"""SHELL (Kafka). Sends records, statuses and dead letters, and knows what of them is acknowledged."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from importlib.metadata import version
from time import monotonic
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer, murmur2

from producer.errors import FatalError, RemoteError
from producer.inflight import Lane, Progress, progress_of
from producer.telemetry import Counts
from schemas.codec import Encoder
from schemas.groups import Groups, partition_key
from schemas.records import FeedStatus, Quote, Record, Trade, instrument_of
from schemas.topics import DEAD_LETTERS, FEED_STATUS, HISTORY, QUOTES, TRADES, topic_name

MAX_DEAD_LETTER = 900_000  # bytes; Kafka's own limit for a message is 1 MB
MAX_DEAD_KEY = 1_000  # bytes; a symbol that a peer invents can be as long as a frame
BUFFER_WAIT_S = 0.1
_Headers = dict[str, str | bytes | None]
_Delivered = Callable[[KafkaError | None, Message], None]


class Publisher:
    """One idempotent producer for one source. Not for several threads: acknowledgements are taken in while sending.

    A record that cannot be delivered is fatal: after it, nothing this process says about completeness would be true.
    Raises `FatalError` from any call once that has happened.
    """

    def __init__(
        self,
        kafka: str,
        source: str,
        *,
        prefix: str,
        schema_ids: Mapping[type[Record], int],
        ends: Mapping[tuple[str, int], int],
        partitions: int,
        counts: Counts,
        linger_ms: int,
        options: Mapping[str, Any] | None = None,
        masked: Callable[[bytes], bytes] = bytes,
        groups: Groups = (),
    ) -> None:
        """Prepare to write.

        Args:
            kafka: bootstrap servers.
            source: whose records.
            prefix: of the topics.
            schema_ids: under which the records' schemas are registered.
            ends: of the topics' partitions, from which on is ours.
            partitions: of each topic.
            counts: for the metrics.
            linger_ms: how long a batch waits for more.
            options: of the Kafka client.
            masked: takes the provider's keys out of what a peer sent, at the same length; default: there are none.
            groups: whose instruments share a partition.
        """
        self._source = source
        self._masked = masked
        self._prefix = prefix
        self._counts = counts
        self._groups = groups
        self.partitions = partitions
        self._encode = {kind: Encoder(kind, schema_ids[kind]) for kind in (Trade, Quote)}
        self._encode_status = Encoder(FeedStatus, schema_ids[FeedStatus])
        self._topics: dict[type[Trade] | type[Quote], str] = {Trade: TRADES.name(prefix), Quote: QUOTES.name(prefix)}
        self._status_topic = FEED_STATUS.name(prefix)
        self._dead_topic = DEAD_LETTERS.name(prefix)
        self._lanes = {topic_part: Lane(end) for topic_part, end in ends.items()}
        self._routes: dict[tuple[type[Record], str], tuple[bytes, int, Lane, _Delivered]] = {}
        self._written: set[tuple[str, int]] = set()
        self._status_ends: dict[int, int] = {}
        self._failure: str | None = None
        self._deadline: float | None = None
        self._producer = Producer(
            {
                "client.id": f"candlewick-producer-{source}",
                "compression.type": "zstd",
                "linger.ms": linger_ms,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 128 << 10,
                **(options or {}),
                # What the laws need is not for options to change: order and no repeats within a partition, all replicas,
                # and the partition every other client computes too.
                "bootstrap.servers": kafka,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "murmur2_random",
                "error_cb": self._on_error,
            }
        )

    def partition_of(self, symbol: str) -> int:
        """Return the partition of the symbol's instrument: murmur2 of the key, as all clients have it, or of its group's name."""
        return murmur2(partition_key(self._groups, instrument_of(self._source, symbol)), self.partitions)

    def history_lanes(self) -> dict[int, Lane]:
        """Return the history topic's lanes by partition: what a `HistoryWriter` fills and our statuses tell."""
        topic = HISTORY.name(self._prefix)
        return {partition: lane for (name, partition), lane in self._lanes.items() if name == topic}

    def send(self, record: Trade | Quote, stored: Callable[[], None] | None = None) -> None:
        """Give one record to Kafka; waits while the client is full, which is the feed's back-pressure.

        Args:
            record: numbered and stamped.
            stored: called, in the thread that takes in acknowledgements, when Kafka has this very record.

        Raises:
            FatalError: an earlier delivery failed, or `stop_by` has passed.
        """
        kind = type(record)
        route = self._routes.get((kind, record.symbol)) or self._route(kind, record.symbol)
        key, partition, lane, delivered = route
        value = self._encode[kind](record)
        if stored is not None:
            delivered = self._and_then(delivered, stored)
        self._produce(self._topics[kind], value, key, partition, delivered)
        lane.sent(record.receive_time)
        self._counts.published["trades" if kind is Trade else "quotes"] += 1

    def send_status(self, partition: int, status: FeedStatus) -> None:
        """Give one status to Kafka, for `partition`; raises as `send`."""

        def delivered(error: KafkaError | None, message: Message) -> None:
            if self._is_stored(error, message):
                self._status_ends[partition] = (message.offset() or 0) + 1

        value = self._encode_status(status)
        self._produce(self._status_topic, value, self._source.encode(), partition, delivered)

    def dead_letter(self, value: bytes, error: RemoteError, origin: str) -> None:
        """Keep input that was refused: its own bytes, and in headers why and where it came from; raises as `send`.

        A peer that repeats our key does not bring it onto a topic: its bytes are overwritten, and ``masked_bytes`` says how many.

        Args:
            value: the input's own bytes.
            error: why it was refused, and whose it was where that is known.
            origin: where the input came from, such as ``trades.jsonl:12``; holds no secret.
        """
        key = self._source if error.symbol is None else instrument_of(self._source, error.symbol)
        kept, key_bytes = self._masked(value), self._masked(key.encode(errors="replace"))[:MAX_DEAD_KEY]
        message = self._masked(str(error).encode(errors="replace")).decode()
        headers: _Headers = {
            "reason": error.reason,
            "__connect.errors.exception.class.name": type(error).__name__,
            "__connect.errors.exception.message": message[:500],
            "origin": origin,
            "service": "producer",
            "service_version": version("candlewick"),
        }
        if len(value) > MAX_DEAD_LETTER:
            headers["original_bytes"] = str(len(value))
        if kept != value:
            hidden = sum(map(operator.ne, value, kept))
            headers["masked_bytes"] = str(hidden)
        self._counts.refused[error.reason] += 1
        partition = murmur2(partition_key(self._groups, key_bytes.decode(errors="replace")), self.partitions)
        self._produce(self._dead_topic, kept[:MAX_DEAD_LETTER], key_bytes, partition, self._on_dead_letter, headers)

    def progress(self, partition: int) -> Progress:
        """Return what is acknowledged in `partition`."""
        lanes = (self._lanes[topic_name(d, self._prefix), partition] for d in ("trades", "quotes", "history"))
        return progress_of(*lanes)

    def poll(self, timeout_s: float = 0.0) -> None:
        """Take in acknowledgements.

        Raises:
            FatalError: a delivery failed.
        """
        self._producer.poll(timeout_s)
        if self._failure is not None:
            raise FatalError(f"Kafka: {self._failure}")

    def stop_by(self, deadline: float) -> None:
        """Give up waiting for a full client at `deadline` (of the monotonic clock): the process is asked to end."""
        self._deadline = deadline

    def flush(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged.

        Raises:
            FatalError: a delivery failed, or something is left after `timeout_s`.
        """
        left = self._producer.flush(timeout_s)
        self.poll()
        if left:
            raise FatalError(f"Kafka did not acknowledge {left} records within {timeout_s:.0f} s")

    def written_ends(self) -> dict[tuple[str, int], int]:
        """Return, for each (topic, partition) this process has written, the offset after its last acknowledged record."""
        ends = {tp: self._lanes[tp].next_offset for tp in self._written}
        return ends | {(self._status_topic, p): end for p, end in self._status_ends.items()}

    def _route(self, kind: type[Trade] | type[Quote], symbol: str) -> tuple[bytes, int, Lane, _Delivered]:
        partition = self.partition_of(symbol)
        topic = self._topics[kind]
        lane = self._lanes[topic, partition]
        self._written.add((topic, partition))

        def delivered(error: KafkaError | None, message: Message) -> None:
            if self._is_stored(error, message):
                lane.acknowledged(message.offset() or 0)

        route = (instrument_of(self._source, symbol).encode(), partition, lane, delivered)
        self._routes[kind, symbol] = route
        return route

    def _and_then(self, delivered: _Delivered, stored: Callable[[], None]) -> _Delivered:
        def both(error: KafkaError | None, message: Message) -> None:
            delivered(error, message)
            if error is None:
                stored()

        return both

    def _is_stored(self, error: KafkaError | None, message: Message) -> bool:
        if error is None:
            self._counts.acknowledged += 1
            return True
        self._failure = self._failure or f"a record was not delivered to {message.topic()}: {error.str()}"
        return False

    def _on_dead_letter(self, error: KafkaError | None, message: Message) -> None:
        self._is_stored(error, message)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._failure = self._failure or error.str()

    def _produce(
        self, topic: str, value: bytes, key: bytes, partition: int, delivered: _Delivered, headers: _Headers | None = None
    ) -> None:
        while True:
            try:
                if headers is None:
                    self._producer.produce(topic, value, key, partition, delivered)
                else:
                    self._producer.produce(topic, value, key, partition, delivered, headers=headers)
            except BufferError:
                self._counts.backpressure += 1
                if self._deadline is not None and monotonic() > self._deadline:
                    raise FatalError("Kafka took no more records before the deadline of the stop") from None
                self._counts.turned_s = monotonic()  # whoever waits for Kafka does not hang
                self.poll(BUFFER_WAIT_S)
            except KafkaException as error:
                raise FatalError(f"Kafka refused a record for {topic}: {error.args[0].str()}") from error
            else:
                return
