"""SHELL (Kafka, registry, Cassandra). The demo's own topics, subjects and tables: made anew for each run, gone after it.

So the account begins at nothing, and whatever else the stack holds stays as it is.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.cassandra.connect import connected
from deploy.cassandra.schema import apply_schema
from deploy.cli import subjects, topics
from deploy.local.stack import Addresses
from schemas.registry import Registry
from schemas.timeframes import parse_list
from schemas.topics import PROCESSOR_GROUP, SINK_GROUP, group_name

PREFIX = KEYSPACE = "demo"
PARTITIONS = 4
TIMEFRAMES = parse_list("10s,1m,5m,15m,1h,4h,1d")
"""10s: candles close before the reader's eyes."""
_CALL_S = 20.0


def make(servers: Addresses) -> None:
    """Create everything; what a killed demo left is removed first.

    Raises:
        TopicsError, RegistryError, ConnectionError: a server refuses or does not answer.
    """
    remove(servers)
    with ThreadPoolExecutor(3) as pool:
        jobs: list[Future[Any]] = [
            pool.submit(topics.apply, servers.kafka, topics.wanted_topics(PREFIX, TIMEFRAMES, PARTITIONS, 1)),
            pool.submit(subjects.apply, Registry(servers.registry), PREFIX, TIMEFRAMES),
            pool.submit(_make_tables, servers),
        ]
        for job in jobs:
            job.result()


def remove(servers: Addresses) -> None:
    """Delete topics, groups and tables; the registry keeps the schemas, which are those of every prefix anyway."""
    admin = AdminClient({"bootstrap.servers": servers.kafka, "log_level": 2})
    there = admin.list_topics(timeout=_CALL_S).topics
    wanted = [t.topic for t in topics.wanted_topics(PREFIX, TIMEFRAMES, PARTITIONS, 1)]
    if left := [name for name in wanted if name in there]:
        topics.delete(servers.kafka, left)
    groups = [group_name(g, PREFIX) for g in (PROCESSOR_GROUP, SINK_GROUP)]
    for done in admin.delete_consumer_groups(groups, request_timeout=_CALL_S).values():
        with contextlib.suppress(KafkaException):  # it was not there
            done.result()
    with connected(servers.cassandra) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=60)


def _make_tables(servers: Addresses) -> None:
    with connected(servers.cassandra) as session:
        apply_schema(session, KEYSPACE, TIMEFRAMES)
