"""SHELL (Cassandra). A session for commands: most live for seconds, the console's for weeks."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.environment import PREFIX

if TYPE_CHECKING:
    from sink.access import Access

REQUEST_TIMEOUT_S = 20.0
"""Creating a table on a busy laptop takes seconds."""
TRIES = 3
"""A node that lets us in and then is too busy for the driver's first question, which waits for 2 s alone, is asked again."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield a driver session to `address`, ``host:port[,host:port]``, and close it afterwards.

    Who asks is in CANDLEWICK_CASSANDRA_USER, _PASSWORD_FILE and _CA_FILE, as for the sink.

    Raises:
        ConnectionError: no node answers there, or it does not let us in; one line for people.
    """
    # Commands only; importing the driver takes a third of a second.
    from cassandra import DriverException
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
    from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy

    from sink.retry import words
    from sink.store import KNOCK_S, RECONNECT_S

    logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # what goes wrong is raised, and said once
    hosts = [part.strip().rpartition(":") for part in address.split(",") if part.strip()]
    profile = ExecutionProfile(TokenAwarePolicy(DCAwareRoundRobinPolicy()), request_timeout=REQUEST_TIMEOUT_S)
    options = {
        "protocol_version": 5,
        "compression": False,
        "reconnection_policy": ConstantReconnectionPolicy(RECONNECT_S, max_attempts=None),
        "execution_profiles": {EXEC_PROFILE_DEFAULT: profile},
        "connect_timeout": 10,
        **_access().driver_options(),
    }
    for last in (n == TRIES for n in range(1, TRIES + 1)):
        try:
            cluster = Cluster([(host, int(port)) for host, _, port in hosts], **options)
        except ValueError as error:
            raise ConnectionError(f"{address!r} is no Cassandra address: host:port[,host:port]") from error
        try:
            session = cluster.connect()
            # As the sink: by the driver's defaults a page may stay blind as long again as its store was away.
            cluster.connect_timeout = KNOCK_S
            break
        except (NoHostAvailable, DriverException, OSError) as error:
            cluster.shutdown()
            if last or "OperationTimedOut" not in words(error):
                raise ConnectionError(f"no Cassandra lets us in at {address}: {words(error)}") from error
    try:
        yield session
    finally:
        cluster.shutdown()


def _access() -> Access:
    from sink import access

    user, password, ca = (os.environ.get(f"{PREFIX}CASSANDRA_{name}", "") for name in ("USER", "PASSWORD_FILE", "CA_FILE"))
    try:
        return access.read(user, Path(password) if password else None, Path(ca) if ca else None)
    except ValueError as error:
        raise ConnectionError(str(error)) from error
