"""SHELL (Kafka). Creates the topics of the catalogue, and says where existing ones differ from it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented there, not listed in its __all__
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from schemas.timeframes import Timeframe
from schemas.topics import CHANGELOG_CONFIG, LEASES, catalogue, changelog_name

REACH_S = 10.0
TIMEOUT_S = 30.0

_NO_LEADER_YET = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._NOENT,  # the client's own, where metadata knows of no leader at all
)


class TopicsError(RuntimeError):
    """The topics could not be brought about."""


@dataclass(frozen=True)
class Applied:
    """What `apply` did and found. ``differs``: topic -> property -> (is, wanted); nothing of it is changed."""

    created: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    differs: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)


def wanted_topics(prefix: str, timeframes: Sequence[Timeframe], partitions: int, replication: int) -> list[NewTopic]:
    """Return every topic that has to be there, the processor's state and the producers' leases included."""
    # With three copies a write counts when two have it: one machine may be lost, and no write is lost with it.
    durable = {"min.insync.replicas": "2"} if replication >= 3 else {}
    configs = {t.name(prefix): t.config for t in catalogue(timeframes)} | {changelog_name(prefix): CHANGELOG_CONFIG}
    return [
        *(
            NewTopic(name, num_partitions=partitions, replication_factor=replication, config=config | durable)
            for name, config in configs.items()
        ),
        NewTopic(LEASES.name(prefix), num_partitions=1, replication_factor=replication, config=LEASES.config),
    ]


def apply(kafka: str, wanted: Sequence[NewTopic], options: Mapping[str, Any] | None = None) -> Applied:
    """Create the topics that are missing and compare the others; returns when every new one can be written to.

    Existing topics are never changed: fewer partitions cannot be had, more would send keys to other partitions than their
    state, and a shorter retention deletes.

    Args:
        kafka: bootstrap servers.
        wanted: what has to be there.
        options: further librdkafka properties, such as those of TLS and SASL.

    Raises:
        TopicsError: Kafka is not reached, or refuses; an option is unknown.
    """
    try:
        admin = AdminClient({"socket.timeout.ms": 10_000, "log_level": 2, **(options or {}), "bootstrap.servers": kafka})
        there = admin.list_topics(timeout=REACH_S).topics
        missing = [t for t in wanted if t.topic not in there]
        made = admin.create_topics(missing, operation_timeout=TIMEOUT_S, request_timeout=TIMEOUT_S) if missing else {}
        for name, done in made.items():
            try:
                done.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another deploy step was quicker
                    raise TopicsError(f"{name} could not be created: {error.args[0].str()}") from error
        _await_leaders(admin, missing)
        present = [t for t in wanted if t.topic in there]
        differs = {t.topic: d for t in present if (d := _differences(admin, t, len(there[t.topic].partitions)))}
    except KafkaException as error:
        raise TopicsError(f"Kafka at {kafka}: {error.args[0].str()}") from error
    return Applied([t.topic for t in missing], [t.topic for t in present], differs)


def delete(kafka: str, names: Sequence[str]) -> None:
    """Delete topics; those that are not there are ignored."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 2})
    admin.list_topics(timeout=REACH_S)  # connects: librdkafka 2.16.0 may abort in an administrative call made before it has
    for name, done in admin.delete_topics(list(names), operation_timeout=TIMEOUT_S).items():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TopicsError(f"{name} could not be deleted: {error.args[0].str()}") from error


def _await_leaders(admin: AdminClient, topics: Sequence[NewTopic]) -> None:
    # Asked of the leaders themselves: metadata names a leader a moment before it knows that it leads, and until then it
    # refuses every question about the partition (seen on Kafka 4: a quarter of all partitions asked at once after that).
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    waiting = [TopicPartition(t.topic, p) for t in topics for p in range(t.num_partitions)]
    limit = time.monotonic() + TIMEOUT_S
    while waiting:
        admin.list_topics(timeout=TIMEOUT_S)  # the client would go on asking what it once took for the leader
        answers = admin.list_offsets(dict.fromkeys(waiting, latest), request_timeout=TIMEOUT_S)
        waiting = [place for place, answer in answers.items() if not _leads(answer)]
        if waiting and time.monotonic() > limit:
            raise TopicsError(f"new topics had no leader within {TIMEOUT_S:.0f} s: {waiting[0].topic} and others")
        if waiting:
            time.sleep(0.02)


def _leads(answer: Future[Any]) -> bool:
    try:
        answer.result()
    except KafkaException as error:
        if error.args[0].code() in _NO_LEADER_YET:
            return False
        raise
    return True


def _differences(admin: AdminClient, topic: NewTopic, partitions: int) -> dict[str, tuple[str, str]]:
    differs = {}
    if partitions != topic.num_partitions:
        differs["partitions"] = (str(partitions), str(topic.num_partitions))
    resource = ConfigResource(ResourceType.TOPIC, topic.topic)
    entries = admin.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
    for name, value in (topic.config or {}).items():
        current = entries[name].value if name in entries else ""
        if _set(current) != _set(value):
            differs[name] = (current, value)
    return differs


def _set(value: str) -> set[str]:
    # cleanup.policy is a list whose order means nothing
    return set(value.split(","))
