"""PURE. How each server of the local stack is configured and started: texts and argument lists, from paths and ports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from deploy.local.pins import CASSANDRA, KAFKA, REGISTRY

DEFAULT_PORTS = {KAFKA: 9092, REGISTRY: 8081, CASSANDRA: 9042, "controller": 9093, "management": 8082, "storage": 7000}
"""The usual ports of these servers; the last three are internal ones of Kafka, the registry and Cassandra."""


@dataclass(frozen=True)
class Server:
    """One server: what to write, what to run once before, what to run."""

    name: str
    ports: tuple[str, ...]
    """Names of the ports it listens on, the public one first."""
    argv: tuple[str, ...]
    files: Mapping[Path, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    """A command that must succeed before the start; it must be harmless to repeat."""
    kind: str = ""
    """What it is, where its name says more: kafka, of kafka-2."""


@dataclass(frozen=True)
class Node:
    """One of the brokers of a cluster: its number, and every number's controller port."""

    number: int
    controllers: Mapping[int, int]

    @property
    def name(self) -> str:
        """Return the broker's name as a server, which is also that of its public port."""
        return f"{KAFKA}-{self.number}"

    @property
    def controller(self) -> str:
        """Return the name of its controller port."""
        return f"controller-{self.number}"


@dataclass(frozen=True)
class Place:
    """Where one server of one home lives."""

    java: str
    home: Path
    jars: Path
    config: Path
    data: Path
    ports: Mapping[str, int]

    @property
    def temp(self) -> Path:
        """Return the temporary folder. Native libraries are unpacked there, so it must allow execution."""
        return self.data / "temp"

    @property
    def files(self) -> Path:
        """Return the folder of the server's own files; Kafka takes every folder in it for a partition."""
        return self.data / "files"

    def jvm(self, *heap: str) -> tuple[str, ...]:
        """Return how every JVM of the stack begins: small, quick to start, nothing outside the home, recognisable."""
        return self.java, *heap, "-XX:+UseSerialGC", "-XX:-UsePerfData", f"-Djava.io.tmpdir={self.temp}", marker(self.home)


def marker(home: Path) -> str:
    """Return the argument by which every server process of `home` can be found, even when its pid file was lost."""
    return f"-Dcandlewick.home={home}"


def kafka(place: Place, templates: Path, cluster_id: str, node: Node | None = None) -> Server:
    """Return a broker, a combined KRaft node: the only one, or `node` of a cluster, whose topics are kept three times.

    Args:
        place: its folders, and the ports by name.
        templates: folder of the configuration's templates.
        cluster_id: 16 bytes, base64url without padding, fixed for the data's life and the same for all nodes.
        node: None for a broker alone.
    """
    public, controller = (node.name, node.controller) if node else (KAFKA, "controller")
    number = node.number if node else 1
    controllers = node.controllers if node else {number: place.ports[controller]}
    values = {
        "kafka": place.ports[public],
        "controller": place.ports[controller],
        "number": number,
        "voters": ",".join(f"{n}@127.0.0.1:{port}" for n, port in controllers.items()),
        "copies": min(3, len(controllers)),
        # As in production: with three copies a write counts when two have it.
        "insync": 2 if len(controllers) >= 3 else 1,
        "data": place.files,
    }
    properties, logging = place.config / "kafka.properties", place.config / "log4j2.yaml"
    log4j = f"-Dlog4j2.configurationFile={logging}"
    classpath = str(place.jars / "*")
    return Server(
        public,
        (public, controller),
        (*place.jvm("-Xms256m", "-Xmx512m"), log4j, "-cp", classpath, "kafka.Kafka", str(properties)),
        {
            properties: Template((templates / "kafka.properties").read_text(encoding="utf-8")).substitute(values),
            logging: (templates / "log4j2.yaml").read_text(encoding="utf-8"),
        },
        (
            *(*place.jvm("-Xmx128m", "-XX:TieredStopAtLevel=1"), log4j, "-cp", classpath, "kafka.tools.StorageTool"),
            *("format", "--ignore-formatted", "-t", cluster_id, "-c", str(properties)),
        ),
        KAFKA,
    )


def registry(place: Place) -> Server:
    """Return the registry, with its schemas in a file database (in memory it would forget ids that topics keep)."""
    options = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": place.ports[REGISTRY],
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": place.ports["management"],
        "quarkus.log.level": "WARN",
        "quarkus.log.console.color": "false",
        "apicurio.storage.kind": "sql",
        "apicurio.storage.sql.kind": "h2",
        "apicurio.datasource.url": f"jdbc:h2:file:{place.files / 'schemas'}",
        "apicurio.datasource.jdbc.initial-size": 2,
        "apicurio.datasource.jdbc.min-size": 2,
    }
    properties = tuple(f"-D{name}={value}" for name, value in options.items())
    # The first compiler only: it is never busy, and starts with half the work.
    start = (
        *place.jvm("-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1"),
        *properties,
        "-jar",
        str(place.jars / "quarkus-run.jar"),
    )
    return Server(REGISTRY, (REGISTRY, "management"), start)


def cassandra(place: Place, templates: Path) -> Server:
    """Return the Cassandra node. Options after the release's own jvm17-server.options, shortened to what it needs to run."""
    config = place.config
    options = {
        "java.security.manager": "allow",
        "java.net.preferIPv4Stack": "true",
        "io.netty.tryReflectionSetAccessible": "true",
        "io.netty.allocator.useCacheForAllThreads": "true",
        "io.netty.allocator.maxOrder": 11,
        "jdk.attach.allowAttachSelf": "true",
        "cassandra.config": (config / "cassandra.yaml").as_uri(),
        "cassandra.storagedir": place.files,
        "cassandra.logdir": place.files / "logs",
        "logback.configurationFile": (config / "logback.xml").as_uri(),
        "cassandra-foreground": "yes",
        # A single node waits for nobody.
        "cassandra.skip_wait_for_gossip_to_settle": 0,
        "cassandra.ring_delay_ms": 1,
        "cassandra.initial_token": 0,
        "cassandra.superuser_setup_delay_ms": 0,
        "cassandra.shutdown_announce_in_ms": 0,
    }
    heap = ("-Xms512m", "-Xmx512m", "-Xss256k", "-XX:MaxDirectMemorySize=256m", "-XX:+ExitOnOutOfMemoryError")
    classpath = os.pathsep.join((str(config), str(place.jars / "*")))
    return Server(
        CASSANDRA,
        (CASSANDRA, "storage"),
        (
            *(*place.jvm(*heap), f"-javaagent:{place.jars / 'jamm-0.4.0.jar'}"),
            *(a for m in _EXPORTS for a in ("--add-exports", f"{m}=ALL-UNNAMED")),
            *(a for m in _OPENS for a in ("--add-opens", f"{m}=ALL-UNNAMED")),
            *(f"-D{name}={value}" for name, value in options.items()),
            *("-cp", classpath, "org.apache.cassandra.service.CassandraDaemon"),
        ),
        {
            config / "cassandra.yaml": _filled(templates / "cassandra.yaml", place, (CASSANDRA, "storage")),
            config / "logback.xml": (templates / "logback.xml").read_text(encoding="utf-8"),
        },
    )


def servers(place: Callable[[str], Place], templates: Path, cluster_id: str) -> tuple[Server, ...]:
    """Return all servers of a home, in no order of dependence."""
    return kafka(place(KAFKA), templates, cluster_id), registry(place(REGISTRY)), cassandra(place(CASSANDRA), templates)


def _filled(template: Path, place: Place, ports: tuple[str, ...]) -> str:
    values: dict[str, object] = {name: place.ports[name] for name in ports}
    return Template(template.read_text(encoding="utf-8")).substitute(values, data=place.files)


_EXPORTS = (
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "java.base/java.lang.ref",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    *(f"java.base/java.{p}" for p in ("lang.module", "io", "lang.reflect", "lang", "util", "nio")),
    *(f"java.base/jdk.internal.{p}" for p in ("loader", "ref", "reflect", "math", "module", "util.jar")),
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
)
