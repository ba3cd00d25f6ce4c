"""SHELL (Cassandra). A short-lived session for commands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

REQUEST_TIMEOUT_S = 20.0
"""Creating a table on a busy laptop takes seconds."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield a driver session to `address`, ``host:port[,host:port]``, and close it afterwards.

    Raises:
        ConnectionError: no node answers there; one line for people.
    """
    # Commands only; importing the driver takes a third of a second.
    from cassandra import DriverException
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
    from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

    logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # what goes wrong is raised, and said once
    hosts = [part.strip().rpartition(":") for part in address.split(",") if part.strip()]
    profile = ExecutionProfile(TokenAwarePolicy(DCAwareRoundRobinPolicy()), request_timeout=REQUEST_TIMEOUT_S)
    try:
        cluster = Cluster(
            [(host, int(port)) for host, _, port in hosts],
            protocol_version=5,
            compression=False,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            connect_timeout=10,
        )
    except ValueError as error:
        raise ConnectionError(f"{address!r} is no Cassandra address: host:port[,host:port]") from error
    try:
        session = cluster.connect()
    except (NoHostAvailable, DriverException, OSError) as error:
        cluster.shutdown()
        raise ConnectionError(f"no Cassandra answers at {address}: {type(error).__name__}") from error
    try:
        yield session
    finally:
        cluster.shutdown()
