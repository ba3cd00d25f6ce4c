"""SHELL (files). ``python -m deploy.kafka`` writes deploy/kubernetes/examples/strimzi anew."""

from __future__ import annotations

from pathlib import Path

from deploy.cli.topics import wanted_topics
from deploy.kafka import strimzi
from deploy.kafka.access import users
from schemas import timeframes
from schemas.topics import DEFAULT_PREFIX

FOLDER = Path(__file__).parents[1] / "kubernetes" / "examples" / "strimzi"
PARTITIONS, REPLICATION = 12, 3
"""Production's: see deploy/SCALING.md for the partitions; with three copies one machine may be lost."""


def files() -> dict[str, str]:
    """Return what the folder's generated files should hold, by name."""
    frames = timeframes.parse_list(timeframes.DEFAULT)
    wanted = wanted_topics(DEFAULT_PREFIX, frames, PARTITIONS, REPLICATION)
    return {"topics.yaml": strimzi.topics(wanted), "users.yaml": strimzi.people(users(DEFAULT_PREFIX, frames))}


if __name__ == "__main__":
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
