"""PURE. Who may do what in Kafka: one user a service, each with no more than it uses (least privilege).

What the services do is `schemas.rights`; here the people and the tools around them are added, and rates. `deploy.kafka.strimzi`
renders the table, `deploy.kafka.grants` applies it, and a test compares it with the topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.rights import READ, SERVICES, UNUSED, WRITE, Right, on_topics, results
from schemas.timeframes import Timeframe
from schemas.topics import CANDLES_LIVE, FEED_STATUS, GAPS


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
    candles = results(prefix, timeframes)
    gaps, live, status = (topic.name(prefix) for topic in (GAPS, CANDLES_LIVE, FEED_STATUS))
    services = tuple(
        User(f"candlewick-{name}", " ".join((rights.__doc__ or "").split()), rights(prefix, timeframes))
        for name, rights in SERVICES.items()
    )
    return (
        *services,
        User(
            "candlewick-operator",
            "The deploy step and the audit: makes topics, reads everything, repairs candles and gaps.",
            (
                Right("topic", f"{prefix}.", ("Create", "Read", "Describe", "DescribeConfigs"), prefixed=True),
                Right("topic", f"{prefix}-", ("Create", "Read", "Describe", "DescribeConfigs"), prefixed=True),
                *on_topics(WRITE, [*candles, gaps]),
                Right("group", f"{prefix}-", READ, prefixed=True),
                UNUSED,
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
                *on_topics(READ, [*candles, live, gaps, status]),
                Right("group", "candlewick-reader", READ, prefixed=True),
            ),
            consumer_bytes_s=10_000_000,
            request_percentage=25,
        ),
    )
