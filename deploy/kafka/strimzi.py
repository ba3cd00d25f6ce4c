"""PURE. Topics and users as resources of the Strimzi operator, rendered from the catalogue and the table of rights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from deploy.kafka.access import User
from schemas.rights import Right

HEADER = "# Written by `python -m deploy.kafka`; a test compares it with the code. Change the catalogue, not this file.\n"
CLUSTER = "md"
"""Name of the Strimzi cluster in the examples."""


class Wanted(Protocol):
    """A topic as Kafka's admin clients know it."""

    @property
    def topic(self) -> str:
        """Return its name."""

    @property
    def num_partitions(self) -> int:
        """Return how many partitions it has."""

    @property
    def replication_factor(self) -> int:
        """Return how many copies there are."""

    @property
    def config(self) -> dict[str, str] | None:
        """Return its properties."""


def topics(wanted: Iterable[Wanted]) -> str:
    """Return KafkaTopic resources, one a topic.

    ``metadata.name`` is the topic's own name: letters, digits, dots and hyphens are a valid resource name.
    """
    return HEADER + "---\n".join(_lines(_topic(topic)) for topic in wanted)


def people(users: Iterable[User]) -> str:
    """Return KafkaUser resources with SCRAM passwords, which Strimzi makes and keeps in secrets of the same names."""
    return HEADER + "---\n".join(f"# {user.doc}\n{_lines(_user(user))}" for user in users)


def _topic(topic: Wanted) -> dict[str, object]:
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.topic, "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {"partitions": topic.num_partitions, "replicas": topic.replication_factor, "config": topic.config},
    }


def _user(user: User) -> dict[str, object]:
    rates = {
        "consumerByteRate": user.consumer_bytes_s,
        "producerByteRate": user.producer_bytes_s,
        "requestPercentage": user.request_percentage,
    }
    quotas = {name: rate for name, rate in rates.items() if rate is not None}
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": user.name, "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": [_acl(right) for right in user.rights]},
            **({"quotas": quotas} if quotas else {}),
        },
    }


def _acl(right: Right) -> dict[str, object]:
    resource = {"type": right.kind, "name": right.name, "patternType": "prefix" if right.prefixed else "literal"}
    return {"resource": resource, "operations": list(right.operations)}


def _lines(resource: Mapping[str, object]) -> str:
    return "".join(_yaml(resource, 0))


def _yaml(value: Mapping[str, object], depth: int) -> Iterator[str]:
    # Block style for the frame that people read, JSON (which YAML contains) for the leaves.
    for key, inner in value.items():
        indent = "  " * depth
        if isinstance(inner, Mapping):
            yield f"{indent}{key}:\n"
            yield from _yaml(inner, depth + 1)
        elif isinstance(inner, list):
            yield f"{indent}{key}:\n"
            yield from (f"{indent}  - {json.dumps(part)}\n" for part in inner)
        else:
            yield f"{indent}{key}: {json.dumps(inner)}\n"
