"""PURE. Who may do what in Kafka: one user a service, each with no more than it uses (least privilege).

The table is the only place where rights are written; `deploy.kafka.strimzi` renders it, and a test compares it with the topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    catalogue,
    changelog_name,
    group_name,
    lease_group,
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


@dataclass(frozen=True)
class User:
    """A principal. Rates are quotas in bytes a second and share of a broker's threads; None = unlimited."""

    name: str
    doc: str
    rights: tuple[Right, ...]
    consumer_bytes_s: int | None = None
    producer_bytes_s: int | None = None
    request_percentage: int | None = None


def users(prefix: str, timeframes: Sequence[Timeframe]) -> tuple[User, ...]:
    """Return every user of a deployment whose topics and groups begin with `prefix`."""
    candles = [t for t in catalogue(timeframes) if t.dataset.startswith("candles-") and t is not CANDLES_LIVE]
    state = changelog_name(prefix)

    def topics(operations: tuple[Operation, ...], wanted: Iterable[str]) -> tuple[Right, ...]:
        return tuple(Right("topic", name, operations) for name in wanted)

    def names(*wanted: object) -> list[str]:
        return [t.name(prefix) for t in catalogue(timeframes) if t in wanted]

    # Clients demand the name of a group even where partitions are assigned by hand and nothing is committed.
    unused = Right("group", "candlewick-", READ, prefixed=True)
    return (
        User(
            "candlewick-producer",
            "Writes what comes in, reads the gaps it may fill and its own statuses; holds a source's lease.",
            (
                *topics(WRITE, names(*INPUTS, DEAD_LETTERS)),
                *topics(READ, [*names(TRADES, FEED_STATUS, HISTORY, GAPS), LEASES.name(prefix)]),
                Right("group", lease_group("", prefix), READ, prefixed=True),
                unused,
            ),
        ),
        User(
            "candlewick-processor",
            "Reads what comes in, writes candles and gaps, keeps its state; declares silent producers down in feed-status.",
            (
                *topics(READ, [*names(*INPUTS, *candles, CANDLES_LIVE, GAPS), state]),
                *topics(WRITE, [*names(FEED_STATUS, *candles, CANDLES_LIVE, GAPS, LATE_TRADES, DEAD_LETTERS), state]),
                Right("group", group_name(PROCESSOR_GROUP, prefix), READ),
                Right("group", "unused", READ),
                unused,
            ),
        ),
        User(
            "candlewick-sink",
            "Reads what is stored, writes dead letters.",
            (
                *topics(READ, names(*candles, CANDLES_LIVE, GAPS, FEED_STATUS, TRADES, QUOTES)),
                *topics(WRITE, names(DEAD_LETTERS)),
                Right("group", group_name(SINK_GROUP, prefix), READ),
                unused,
            ),
        ),
        User(
            "candlewick-operator",
            "The deploy step and the audit: makes topics, reads everything, repairs candles and gaps.",
            (
                Right("topic", f"{prefix}.", ("Create", "Read", "Describe", "DescribeConfigs"), prefixed=True),
                Right("topic", f"{prefix}-", ("Create", "Read", "Describe", "DescribeConfigs"), prefixed=True),
                *topics(WRITE, names(*candles, GAPS)),
                Right("group", f"{prefix}-", READ, prefixed=True),
                unused,
            ),
            # An audit reads as fast as it can; the pipeline comes first.
            consumer_bytes_s=50_000_000,
            request_percentage=50,
        ),
        User(
            "candlewick-scaler",
            "The autoscaler: sees offsets, reads no record.",
            (
                Right("topic", f"{prefix}.", ("Describe",), prefixed=True),
                Right("group", f"{prefix}-", ("Describe",), prefixed=True),
            ),
        ),
        User(
            "candlewick-reader",
            "A pattern for other teams: reads candles, gaps and feed status in groups of its own name.",
            (
                *topics(READ, names(*candles, CANDLES_LIVE, GAPS, FEED_STATUS)),
                Right("group", "candlewick-reader", READ, prefixed=True),
            ),
            consumer_bytes_s=10_000_000,
            request_percentage=25,
        ),
    )
