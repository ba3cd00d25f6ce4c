"""SHELL (Kafka). Which trades of a symbol stand on the topic already, by the venue's ids: what must not be published twice.

An earlier run may have published, just before it died, trades of the very interval that is now a gap; and a backfill that was
cut off has done a part of its work. Both are in Kafka and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition, murmur2

from producer.history.protocol import UnavailableError
from schemas.codec import Decoder
from schemas.groups import Groups, partition_key
from schemas.records import Trade, instrument_of
from schemas.registry import Registry, RegistryError
from schemas.timeframes import MINUTE
from schemas.topics import TRADES
from schemas.wire import WireError

# Our choices: the venue's clock and ours differ by less than EARLIER_US; a day of one partition is read in seconds.
EARLIER_US = 2 * MINUTE
TIMEOUT_S = 10.0
READ_S = 60.0


class PublishedIds:
    """Answers for one source, from the topic as it stands at the moment of the question."""

    def __init__(
        self, kafka: str, registry: Registry, prefix: str, source: str, options: Mapping[str, Any], groups: Groups = ()
    ) -> None:
        self._settings = {**options, "bootstrap.servers": kafka, "group.id": "candlewick-unused", "enable.auto.commit": False}
        self._registry = registry
        self._topic = TRADES.name(prefix)
        self._source = source
        self._groups = groups

    def __call__(self, symbol: str, since_us: int) -> frozenset[str]:
        """Return the ids of the symbol's trades that were sent since `since_us` (microseconds UTC), or a little before.

        Raises:
            UnavailableError: Kafka or the registry does not answer.
        """
        consumer = Consumer(self._settings)
        try:
            return self._read(consumer, symbol, since_us)
        except KafkaException as error:
            raise UnavailableError(f"Kafka: {error.args[0].str()}") from error
        except RegistryError as error:
            raise UnavailableError(str(error)) from error
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, symbol: str, since_us: int) -> frozenset[str]:
        decode = Decoder(Trade, self._registry.schema_by_id)
        instrument = instrument_of(self._source, symbol)
        key = instrument.encode()
        partitions = consumer.list_topics(self._topic, timeout=TIMEOUT_S).topics[self._topic].partitions
        partition = murmur2(partition_key(self._groups, instrument), len(partitions))
        place = TopicPartition(self._topic, partition, max(0, since_us - EARLIER_US) // 1000)
        _, end = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        (begin,) = consumer.offsets_for_times([place], timeout=TIMEOUT_S)
        ids: set[str] = set()
        at = begin.offset if begin.offset >= 0 else end  # below 0: nothing was sent since then
        consumer.assign([TopicPartition(self._topic, place.partition, at)])
        deadline = monotonic() + READ_S
        while at < end:
            if monotonic() > deadline:
                raise UnavailableError(f"{self._topic} was not read within {READ_S:.0f} s")
            message = consumer.poll(1.0)
            if message is None or message.error() is not None:
                continue
            at = (message.offset() or 0) + 1
            if message.key() != key:
                continue
            try:
                trade_id = decode(message.value()).trade_id
            except WireError:
                continue  # written by somebody who broke the contract: nothing of ours
            if trade_id is not None:
                ids.add(trade_id)
        return frozenset(ids)
