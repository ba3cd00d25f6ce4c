"""PURE. Which files make each server: Maven coordinates, sizes and checksums, as pinned in ``pins.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

KAFKA = "kafka"
REGISTRY = "registry"
CASSANDRA = "cassandra"
RELEASES = {KAFKA: "4.4.0", REGISTRY: "3.3.3", CASSANDRA: "5.0.8"}
ROOTS: dict[str, tuple[str, ...]] = {
    # Resolved one by one: in one endpoint log4j's managed versions would win over Kafka's own (kafka-clients 3.9.1).
    KAFKA: (f"org.apache.kafka:kafka_2.13:{RELEASES[KAFKA]}", "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"),
    REGISTRY: (f"io.apicurio:apicurio-registry-app:{RELEASES[REGISTRY]}:all:tar.gz",),
    CASSANDRA: (f"org.apache.cassandra:cassandra-all:{RELEASES[CASSANDRA]}",),
}
"""What `pin` resolves. The registry is one archive that holds all it needs."""


@dataclass(frozen=True)
class Pin:
    """One file of a Maven repository: ``group:name:version:classifier:packaging``, with what it must look like."""

    coordinate: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        """Return the file's name, such as ``kafka-clients-4.4.0.jar``."""
        _, name, version, classifier, packaging = self.coordinate.split(":")
        return f"{name}-{version}{'-' + classifier if classifier else ''}.{packaging}"

    @property
    def path(self) -> PurePosixPath:
        """Return where a Maven repository keeps the file, relative to its root."""
        group, name, version, _, _ = self.coordinate.split(":")
        return PurePosixPath(group.replace(".", "/"), name, version, self.filename)


def parse(text: str) -> dict[str, tuple[Pin, ...]]:
    """Return the pins of each server from the text of ``pins.json``."""
    return {server: tuple(Pin(*row) for row in rows) for server, rows in json.loads(text).items()}


def render(pins: Mapping[str, Iterable[Pin]]) -> str:
    """Return the text of ``pins.json``, one file a line so that a change reads well."""
    servers = []
    for server, files in pins.items():
        rows = ",\n".join(f"  {json.dumps([p.coordinate, p.sha256, p.size])}" for p in files)
        servers.append(f"{json.dumps(server)}: [\n{rows}\n]")
    return "{\n" + ",\n".join(servers) + "\n}\n"
