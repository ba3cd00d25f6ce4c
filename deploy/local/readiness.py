"""SHELL (Kafka, registry, Cassandra). Asks a server whether it can serve; a log line or an open port would be too early."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import requests

from deploy.local.pins import CASSANDRA, KAFKA, REGISTRY
from deploy.local.ports import LOOPBACK, listening

ANSWER_S = 2.0


def kafka(port: int) -> bool:
    """Return whether the broker answers a metadata request."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {"bootstrap.servers": f"{LOOPBACK}:{port}", "log_level": 0}, logger=logging.getLogger("candlewick.ready")
    )
    try:
        return bool(client.list_topics(timeout=ANSWER_S).brokers)
    except KafkaException:
        return False


def registry(port: int) -> bool:
    """Return whether the registry says it is ready, on its management `port`."""
    try:
        return requests.get(f"http://{LOOPBACK}:{port}/health/ready", timeout=ANSWER_S).ok
    except requests.RequestException:
        return False


def cassandra(port: int) -> bool:
    """Return whether the node answers a query."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import WhiteListRoundRobinPolicy

    logging.getLogger("cassandra").addHandler(logging.NullHandler())  # a node that is not ready yet is no news
    profile = ExecutionProfile(WhiteListRoundRobinPolicy([LOOPBACK]), request_timeout=ANSWER_S)
    cluster = Cluster(
        [LOOPBACK],
        port=port,
        protocol_version=5,
        connect_timeout=ANSWER_S,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        schema_metadata_enabled=False,
        token_metadata_enabled=False,
    )
    try:
        return cluster.connect().execute("SELECT release_version FROM system.local").one() is not None
    except Exception:  # the driver raises many kinds for "not yet"; the caller's time limit ends the asking
        return False
    finally:
        cluster.shutdown()


_ASK: dict[str, tuple[str, Callable[[int], bool]]] = {
    KAFKA: (KAFKA, kafka),
    REGISTRY: ("management", registry),
    CASSANDRA: (CASSANDRA, cassandra),
}


def ready(server: str, ports: Mapping[str, int]) -> bool:
    """Return whether `server` answers a real question now."""
    port_name, ask = _ASK[server]
    return listening(ports[port_name]) and ask(ports[port_name])
