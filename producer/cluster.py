"""SHELL (Kafka and registry, at the start). What a producer has to know before it may write: ids, partitions, ends, epochs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, not declared

from producer.epochs import UnansweredError, newest_epoch
from producer.errors import FatalError
from schemas.admission import AdmissionError, UnreachedError, admit
from schemas.avro import schema_text
from schemas.records import FeedStatus, Gap, HistoryCandle, Quote, Record, Trade
from schemas.registry import Registry, RegistryError, RegistryUnavailableError
from schemas.rights import of_producer
from schemas.topics import DEAD_LETTERS, FEED_STATUS, GAPS, HISTORY, QUOTES, TRADES, Topic
from schemas.waiting import AwayError

TIMEOUT_S = 20.0
_SUBJECTS: tuple[tuple[Topic, type[Record]], ...] = (
    (TRADES, Trade),
    (QUOTES, Quote),
    (FEED_STATUS, FeedStatus),
    (HISTORY, HistoryCandle),
    (GAPS, Gap),
)


def enter(kafka: str, prefix: str, options: Mapping[str, Any], reach_s: float = TIMEOUT_S) -> None:
    """Return when Kafka has let us in and grants what a producer does; before anything else. `reach_s` is `admit`'s.

    Raises:
        FatalError: it refuses.
        AwayError: it does not answer.
    """
    try:
        admit(kafka, options, of_producer(prefix, ()), TIMEOUT_S, reach_s=reach_s)
    except AdmissionError as error:
        raise FatalError(str(error)) from error
    except UnreachedError as error:
        raise AwayError("kafka", str(error)) from error


def schema_ids(registry: Registry, prefix: str) -> dict[type[Record], int]:
    """Return the ids of what a producer writes and reads; `registry` remembers them, and is asked once.

    Raises:
        FatalError: it refuses, or a schema is not registered.
        AwayError: it does not answer.
    """
    try:
        return {record: registry.lookup(topic.subject(prefix), schema_text(record)) for topic, record in _SUBJECTS}
    except RegistryUnavailableError as error:
        raise AwayError("registry", str(error)) from error
    except RegistryError as error:
        raise FatalError(str(error)) from error


@dataclass(frozen=True)
class Cluster:
    """``ends`` maps (topic, partition) of trades, quotes and history to the topic's end; ``last_epoch`` is the source's.

    ``registry`` knows our schemas by now and need not answer again.
    """

    schema_ids: dict[type[Record], int]
    partitions: int
    ends: dict[tuple[str, int], int]
    last_epoch: int | None
    registry: Registry


def survey(kafka: str, registry: Registry, prefix: str, source: str, options: Mapping[str, Any]) -> Cluster:
    """Ask the registry and the brokers.

    Raises:
        FatalError: a schema is not registered, or a topic is missing or has another number of partitions.
        AwayError: one does not answer.
    """
    ids = schema_ids(registry, prefix)
    try:
        admin = AdminClient({**options, "bootstrap.servers": kafka})
        partitions = _partitions(admin, prefix)
        tps = [TopicPartition(t.name(prefix), p) for t in (TRADES, QUOTES, HISTORY) for p in range(partitions)]
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        answers = admin.list_offsets(dict.fromkeys(tps, latest), request_timeout=TIMEOUT_S)
        ends = {(tp.topic, tp.partition): int(f.result().offset) for tp, f in answers.items()}
        last_epoch = newest_epoch(kafka, options, registry.schema_by_id, prefix, source, TIMEOUT_S)
    except KafkaException as error:  # of a client that was let in: a broker that has gone, or partitions without a leader yet
        raise AwayError("kafka", f"Kafka at {kafka}: {error.args[0].str()}") from error
    except RegistryUnavailableError as error:  # a status was written with a schema that is not today's
        raise AwayError("registry", str(error)) from error
    except RegistryError as error:
        raise FatalError(str(error)) from error
    except UnansweredError:
        raise AwayError("kafka", f"Kafka at {kafka} did not give the last statuses within {TIMEOUT_S:.0f} s") from None
    return Cluster(ids, partitions, ends, last_epoch, registry)


def _partitions(admin: AdminClient, prefix: str) -> int:
    known = admin.list_topics(timeout=TIMEOUT_S).topics
    counts: dict[str, int] = {}
    for topic in (TRADES, QUOTES, HISTORY, FEED_STATUS, DEAD_LETTERS):
        name = topic.name(prefix)
        if name not in known:
            raise FatalError(f"the topic {name} does not exist: run `candlewick topics apply` first")
        counts[name] = len(known[name].partitions)
    if len(set(counts.values())) != 1:
        raise FatalError(f"these topics need one number of partitions, and have {counts}")
    return next(iter(counts.values()))
