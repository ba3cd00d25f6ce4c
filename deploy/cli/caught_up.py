"""SHELL (Kafka, Cassandra). Waits until processor and sink have worked off what a replay has written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, not declared

from deploy.cassandra.connect import connected
from deploy.cli.targets import Targets
from schemas.timeframes import Timeframe
from schemas.topics import (
    CANDLES_LIVE,
    GAPS,
    PROCESSOR_GROUP,
    QUOTES,
    SINK_GROUP,
    TRADES,
    candles_dataset,
    group_name,
    topic_name,
)

Ends = Mapping[tuple[str, int], int]
POLL_S = 0.2
CALL_S = 15.0


class NotCaughtUpError(RuntimeError):
    """The time limit has passed; the text names who is behind, and where."""


def wait_until_caught_up(
    targets: Targets, written: Ends, *, prefix: str, keyspace: str, timeframes: Iterable[Timeframe], timeout_s: float
) -> None:
    """Return when the processor has committed `written`, and then the sink has written all that came of it.

    The order matters: the processor commits after its candles are acknowledged, so ends taken after its commit hold them all.

    Args:
        targets: the servers.
        written: (topic, partition) -> the offset after our last record there, statuses included.
        prefix: first part of topic and group names.
        keyspace: where the sink keeps its position.
        timeframes: whose candle topics to wait for.
        timeout_s: for both together.

    Raises:
        NotCaughtUpError: not within `timeout_s`.
        ConnectionError: Cassandra does not answer.
    """
    deadline = time.monotonic() + timeout_s
    admin = AdminClient({"bootstrap.servers": targets.kafka})
    admin.list_topics(timeout=CALL_S)  # connects first: see `topics.delete`
    processor = group_name(PROCESSOR_GROUP, prefix)
    _wait(f"the processor ({processor})", written, lambda: _committed(admin, processor, written), deadline)

    outputs = [TRADES, QUOTES, CANDLES_LIVE, GAPS]
    topics = [t.name(prefix) for t in outputs] + [topic_name(candles_dataset(t.name), prefix) for t in timeframes]
    ends = _ends(admin, topics)
    sink = group_name(SINK_GROUP, prefix)
    with connected(targets.cassandra) as session:
        # The keyspace cannot be a bound value; it is the operator's own setting, quoted against mistakes.
        name = '"' + keyspace.replace('"', '""') + '"'
        query = f"SELECT topic, part, next_offset FROM {name}.positions WHERE consumer_group = %s"  # noqa: S608

        def positions() -> Ends:
            return {(row.topic, row.part): row.next_offset for row in session.execute(query, (sink,), timeout=CALL_S)}

        _wait(f"the sink ({sink})", ends, positions, deadline)


def _wait(who: str, goal: Ends, position: Callable[[], Ends], deadline: float) -> None:
    while True:
        at = position()
        behind = {tp: end - at.get(tp, 0) for tp, end in goal.items() if at.get(tp, 0) < end}
        if not behind:
            return
        if time.monotonic() > deadline:
            (topic, part), records = max(behind.items(), key=lambda item: item[1])
            raise NotCaughtUpError(
                f"{who} has not caught up: {sum(behind.values())} records in {len(behind)} partitions, "
                f"most in {topic} partition {part} ({records})"
            )
        time.sleep(POLL_S)


def _committed(admin: AdminClient, group: str, wanted: Ends) -> Ends:
    request = ConsumerGroupTopicPartitions(group, [TopicPartition(t, p) for t, p in wanted])
    answer = admin.list_consumer_group_offsets([request], request_timeout=CALL_S)[group].result()
    return {(tp.topic, tp.partition): tp.offset for tp in answer.topic_partitions or [] if tp.error is None}


def _ends(admin: AdminClient, topics: Iterable[str]) -> Ends:
    known = admin.list_topics(timeout=CALL_S).topics
    parts = [TopicPartition(t, p) for t in topics if t in known for p in known[t].partitions]
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    answers = admin.list_offsets(dict.fromkeys(parts, latest), request_timeout=CALL_S)
    return {(tp.topic, tp.partition): int(f.result().offset) for tp, f in answers.items()}
