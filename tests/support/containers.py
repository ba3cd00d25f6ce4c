"""SHELL (containers). Kafka, registry and Cassandra by testcontainers: the images of the compose file, ports on loopback.

testcontainers' own Kafka class is made for Confluent's image. Apache's takes its listeners from the environment, at the
start: its port has to be chosen before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from testcontainers.community.cassandra import CassandraContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from deploy.local import ports, readiness
from deploy.local.ports import LOOPBACK
from tests.support.services import wait_until

START_S = 480
COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


class Containers:
    """Three servers in containers; each can be killed, frozen and started again at its place."""

    def __init__(self, made: dict[str, DockerContainer], chosen: dict[str, int]) -> None:
        self._made = made
        self._asks: dict[str, Callable[[], bool]] = {
            "kafka": lambda: readiness.kafka(chosen["kafka"]),
            "registry": lambda: _answers(f"http://{LOOPBACK}:{chosen['registry']}/apis/ccompat/v7/subjects"),
            "cassandra": lambda: readiness.cassandra(chosen["cassandra"]),
        }
        self.kafka = f"{LOOPBACK}:{chosen['kafka']}"
        self.registry = f"http://{LOOPBACK}:{chosen['registry']}/apis/ccompat/v7"
        self.cassandra = f"{LOOPBACK}:{chosen['cassandra']}"

    def wait(self, name: str) -> None:
        """Return when the server answers a real question."""
        try:
            wait_until(self._asks[name], START_S, f"an answer of {name}")
        except AssertionError as late:
            logs = self._made[name].get_wrapped_container().logs(tail=40).decode(errors="replace")
            raise AssertionError(f"{late}\n{logs}") from None

    def kill(self, name: str) -> None:
        """Kill the server (SIGKILL); its data stay."""
        self._made[name].get_wrapped_container().kill()

    def freeze(self, name: str) -> None:
        """Stop every process of the server (the freezer of its control group)."""
        self._made[name].get_wrapped_container().pause()

    def thaw(self, name: str) -> None:
        """Let a frozen server go on; one that runs is left alone."""
        container = self._made[name].get_wrapped_container()
        container.reload()
        if container.status == "paused":
            container.unpause()

    def up(self, name: str) -> None:
        """Start a server that was killed, and return when it answers."""
        self._made[name].get_wrapped_container().start()
        self.wait(name)


@contextmanager
def running_containers() -> Iterator[Containers]:
    """Yield the three, ready; they and their data are gone afterwards."""
    testcontainers_config.ryuk_disabled = (
        True  # one image less to have; what is left of a killed run carries testcontainers' label
    )
    chosen = ports.choose(dict.fromkeys(("kafka", "registry", "cassandra"), 0))
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        made = {
            "kafka": _published(DockerContainer(image("kafka")), 9092, chosen["kafka"]),
            "registry": _published(DockerContainer(image("registry")), 8080, chosen["registry"]),
            "cassandra": _published(CassandraContainer(image("cassandra")), CassandraContainer.CQL_PORT, chosen["cassandra"]),
        }
        made["kafka"].with_envs(**_kafka_settings(chosen["kafka"]))
        # The class asks for one token at the first start; a second start would ask for the image's 16, and be refused.
        made["cassandra"].with_envs(CASSANDRA_NUM_TOKENS="1")
        made["registry"].with_envs(JAVA_OPTS_APPEND="-Xmx256m")  # in memory, which is its default
        found = Containers(made, chosen)
        for name, container in made.items():
            container.with_network(network).with_network_aliases(name)
            container.waiting_for(None)  # type: ignore[arg-type]  # all start at once; we ask each for a real answer below
            stack.callback(container.stop)
            container.start()
        for name in made:
            found.wait(name)
        yield found


def image(service: str) -> str:
    """Return the image that the compose file names for a server."""
    text = COMPOSE.read_text(encoding="utf-8")
    named = re.search(rf"^  {service}:\n    image: (\S+)$", text, re.MULTILINE)
    assert named, f"{COMPOSE} names no image for {service}"
    return named.group(1)


def _published(container: DockerContainer, inside: int, outside: int) -> DockerContainer:
    # Loopback alone; testcontainers' own way of binding takes no address, and passes on what the engine's client accepts.
    container.ports[str(inside)] = (LOOPBACK, outside)  # type: ignore[assignment]
    return container


def _kafka_settings(port: int) -> dict[str, str]:
    # As tests' own broker, deploy/local/kafka.properties, has them where it matters.
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "INTERNAL://:19092,EXTERNAL://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"INTERNAL://kafka:19092,EXTERNAL://{LOOPBACK}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_LOG_SEGMENT_BYTES": "16777216",
        "KAFKA_LOG_INDEX_SIZE_MAX_BYTES": "1048576",
        "KAFKA_HEAP_OPTS": "-Xms384m -Xmx384m",
    }


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=readiness.ANSWER_S).ok
    except requests.RequestException:
        return False
