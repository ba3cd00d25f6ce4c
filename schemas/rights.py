"""PURE. What each service does in Kafka: the rights that it needs, and no more (least privilege).

Three places follow this table: the services ask at their start whether they have what stands here (`schemas.admission`), and the
deploy step makes users and ACLs of it, its own (`candlewick topics users`) or Strimzi's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.timeframes import Timeframe
from schemas.topics import (
    CANDLES_LIVE,
    DEAD_LETTERS,
    FEED_STATUS,
    GAPS,
    HISTORY,
    INPUTS,
    LATE_TRADES,
    LEASES,
    PROCESSOR_GROUP,
    QUOTES,
    SINK_GROUP,
    TRADES,
    Topic,
    candles_dataset,
    changelog_name,
    group_name,
    lease_group,
    topic_name,
)

Kind = Literal["topic", "group"]
Operation = Literal["Read", "Write", "Describe", "DescribeConfigs", "Create"]
READ: tuple[Operation, ...] = ("Read", "Describe")
WRITE: tuple[Operation, ...] = ("Write", "Describe")


@dataclass(frozen=True)
class Right:
    """`operations` on one topic or group, or on all whose names begin with `name` (``prefixed``)."""

    kind: Kind
    name: str
    operations: tuple[Operation, ...]
    prefixed: bool = False


UNUSED = Right("group", "candlewick-", READ, prefixed=True)
"""Clients demand the name of a group even where partitions are assigned by hand and nothing is committed."""


def on_topics(operations: tuple[Operation, ...], names: Iterable[str]) -> tuple[Right, ...]:
    """Return `operations` on each of the topics."""
    return tuple(Right("topic", name, operations) for name in names)


def results(prefix: str, timeframes: Sequence[Timeframe]) -> list[str]:
    """Return the names of the topics of final and revised candles."""
    return [topic_name(candles_dataset(t.name), prefix) for t in timeframes]


def of_producer(prefix: str, _: Sequence[Timeframe]) -> tuple[Right, ...]:
    """Writes what comes in, reads the gaps it may fill and its own statuses; holds a source's lease."""
    return (
        *on_topics(WRITE, _names(prefix, *INPUTS, DEAD_LETTERS)),
        *on_topics(READ, _names(prefix, TRADES, FEED_STATUS, HISTORY, GAPS, LEASES)),
        Right("group", lease_group("", prefix), READ, prefixed=True),
        UNUSED,
    )


def of_processor(prefix: str, timeframes: Sequence[Timeframe]) -> tuple[Right, ...]:
    """Reads what comes in, writes candles and gaps, keeps its state; declares silent producers down in feed-status."""
    state, candles = changelog_name(prefix), results(prefix, timeframes)
    written = _names(prefix, CANDLES_LIVE, GAPS, LATE_TRADES, DEAD_LETTERS)
    return (
        *on_topics(READ, [*_names(prefix, *INPUTS), *candles, *_names(prefix, CANDLES_LIVE, GAPS), state]),
        *on_topics(WRITE, [*_names(prefix, FEED_STATUS), *candles, *written, state]),
        Right("group", group_name(PROCESSOR_GROUP, prefix), READ),
        Right("group", "unused", READ),
        UNUSED,
    )


def of_sink(prefix: str, timeframes: Sequence[Timeframe]) -> tuple[Right, ...]:
    """Reads what is stored, writes dead letters."""
    return (
        *on_topics(READ, [*results(prefix, timeframes), *_names(prefix, CANDLES_LIVE, GAPS, FEED_STATUS, TRADES, QUOTES)]),
        *on_topics(WRITE, _names(prefix, DEAD_LETTERS)),
        Right("group", group_name(SINK_GROUP, prefix), READ),
        UNUSED,
    )


SERVICES: dict[str, Callable[[str, Sequence[Timeframe]], tuple[Right, ...]]] = {
    "producer": of_producer,
    "processor": of_processor,
    "sink": of_sink,
}
"""Service -> its rights, from the topics' prefix and the timeframes."""


def _names(prefix: str, *topics: Topic) -> list[str]:
    return [topic.name(prefix) for topic in topics]
