"""SHELL (Cassandra). One session: prepared inserts, batches in flight, the checks at start. Decides nothing about errors."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from struct import error as StructError  # noqa: N812 - the module's only exception
from threading import Semaphore
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    FallthroughRetryPolicy,
    HostStateListener,
    TokenAwarePolicy,
)
from cassandra.query import BatchStatement, BatchType, BoundStatement

from sink.access import Access
from sink.batches import Batch, bound
from sink.errors import FatalError
from sink.packing import Packer, packed, packers
from sink.retention import TABLES
from sink.tables import COLUMNS, candles_table, statements

NOBODY = Access()
IN_FLIGHT = 128
"""Requests at once; beyond that a laptop's node only queues them (measured: no gain past 32 to 128)."""
REQUEST_TIMEOUT_S = 5.0
RECONNECT_S, KNOCK_S = 0.5, 2.0
"""How long to wait between knocks at the door of a node that went away, and for the answer to one. Constant, without limit: the
driver's exponential default comes back 11 s late after a 20 s outage. A node that starts takes connections before it answers, and
a knock that it lost would be waited for 5 s by default."""


class _Nodes(HostStateListener):  # type: ignore[misc] # the driver has no types
    """Counts the nodes that went away and those that came back."""

    def __init__(self) -> None:
        self.lost = self.back = 0

    def on_up(self, host: Any) -> None:
        self.back += 1

    def on_down(self, host: Any) -> None:
        self.lost += 1

    def on_add(self, host: Any) -> None: ...

    def on_remove(self, host: Any) -> None:
        self.lost += 1


Failure = tuple[Batch, BaseException]


class Flight:
    """Writes under way; each is answered within the driver's timeout."""

    def __init__(self) -> None:
        self.failed: list[Failure] = []
        self.sent = 0
        self._ended = Semaphore(0)

    def ended(self) -> None:
        """One write was answered; called from the driver's thread."""
        self._ended.release()

    def wait(self) -> list[Failure]:
        """Return, when all are answered, those that failed."""
        for _ in range(self.sent):
            self._ended.acquire()
        self.sent = 0
        return self.failed


class Store:
    """A connected store; made by `Store.connect`."""

    def __init__(self, cluster: Cluster, session: Any, keyspace: str) -> None:
        self._cluster = cluster
        self._session = session
        self._keyspace = keyspace
        self._inserts: dict[str, tuple[Any, tuple[Packer, ...]]] = {}
        self._overrides: Any = None
        self._slots = Semaphore(IN_FLIGHT)
        self._nodes = _Nodes()
        cluster.register_listener(self._nodes)

    @classmethod
    def connect(cls, address: str, keyspace: str, access: Access = NOBODY) -> Store:
        """Connect to ``host:port[,host:port]``.

        Raises:
            cassandra.DriverException, cassandra.cluster.NoHostAvailable: for the caller to judge; nothing is left open.
        """
        # Why we are not let in is for the exception to say, once; what goes wrong with a node later is for the driver.
        logger = logging.getLogger("cassandra")
        logger.setLevel(logging.CRITICAL)
        hosts = [part.rpartition(":") for part in address.split(",")]
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
            retry_policy=FallthroughRetryPolicy(),
            consistency_level=ConsistencyLevel.LOCAL_QUORUM,
            request_timeout=REQUEST_TIMEOUT_S,
        )
        local = all(host in ("127.0.0.1", "localhost", "::1") for host, _, _ in hosts)
        cluster = Cluster(
            [(host, int(port)) for host, _, port in hosts],
            protocol_version=5,
            compression=not local,
            reconnection_policy=ConstantReconnectionPolicy(RECONNECT_S, max_attempts=None),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            **access.driver_options(),
        )
        try:
            store = cls(cluster, cluster.connect(), keyspace)
            cluster.connect_timeout = KNOCK_S  # the first connection may take longer: nothing waits for it yet
        except BaseException:
            cluster.shutdown()
            raise
        logger.setLevel(logging.ERROR)
        return store

    def prepare(self, retention_s: Mapping[str, int], timeframes: Sequence[str]) -> None:
        """Prepare every insert, which checks the tables and their columns, and compare each table's TTL with the settings.

        Raises:
            FatalError: the keyspace is missing, or a table's TTL is not what the settings say.
            cassandra.DriverException: a table or column is missing, or the node did not answer; for the caller to judge.
        """
        query = "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s"
        found = {r.table_name: r.default_time_to_live for r in self._session.execute(query, (self._keyspace,))}
        if not found:
            raise FatalError(f"keyspace {self._keyspace} has no tables: run `candlewick store apply` first")
        wanted = {candles_table(t): retention_s[t] for t in timeframes}
        wanted |= {name: retention_s[name] for name in TABLES}
        absent = sorted((set(wanted) | set(COLUMNS) | {"retention"}) - set(found))
        if absent:
            raise FatalError(f"keyspace {self._keyspace} lacks {', '.join(absent)}: run `candlewick store apply` first")
        if wrong := [f"{t} keeps rows {found[t]} s, the settings say {s} s" for t, s in wanted.items() if found[t] != s]:
            raise FatalError(
                f"{'; '.join(wrong)}: run `candlewick store apply` with the same CANDLEWICK_RETENTION_ settings as the sink"
            )
        for table, text in statements(self._keyspace, timeframes).items():
            insert = self._session.prepare(text)
            self._inserts[table] = insert, packers(c.type.typename for c in insert.column_metadata)
        self._overrides = self._session.prepare(f"SELECT series, timeframe, ttl_seconds FROM {self._keyspace}.retention")  # noqa: S608 - checked name

    def replicas(self) -> int:
        """Return the smallest replication factor of the keyspace."""
        query = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"
        replication = self._session.execute(query, (self._keyspace,)).one().replication
        return min((int(v.split("/")[0]) for k, v in replication.items() if k != "class"), default=1)

    def overrides(self) -> list[tuple[str, str, int | None]]:
        """Return what operators have written: pattern of series, timeframe or table, seconds."""
        return [(r.series, r.timeframe, r.ttl_seconds) for r in self._session.execute(self._overrides)]

    @property
    def losses(self) -> int:
        """How often a node has gone away; what it acknowledged shortly before may be gone too."""
        return self._nodes.lost

    @property
    def returns(self) -> int:
        """How often a node has come back; a write that was refused before is worth another try at once."""
        return self._nodes.back

    def begin(self, batches: Iterable[Batch], now_us: int) -> Flight:
        """Hand `batches` to the driver and return while they fly; `now_us` (UTC) sets the remaining lives."""
        flight = Flight()
        for batch in batches:
            try:
                statement = self._statement(batch, now_us)
            except (ValueError, TypeError, StructError) as error:  # a value does not fit its column
                flight.failed.append((batch, error))
                continue
            self._slots.acquire()
            self._send(statement, batch, flight)
        return flight

    def write(self, batches: Iterable[Batch], now_us: int) -> list[Failure]:
        """Write `batches` and return, when all are answered, those that failed."""
        return self.begin(batches, now_us).wait()

    def _statement(self, batch: Batch, now_us: int) -> Any:
        insert, columns = self._inserts[batch[0].table]
        rows = []
        for row in batch:
            statement = BoundStatement(insert)
            statement.values = packed(columns, bound(row, now_us))
            rows.append(statement)
        if len(rows) == 1:
            return rows[0]
        whole = BatchStatement(BatchType.UNLOGGED)
        for statement in rows:
            whole.add(statement)
        return whole

    def _send(self, statement: Any, batch: Batch, flight: Flight) -> None:
        def acknowledged(_rows: Any) -> None:
            self._slots.release()
            flight.ended()

        def refused(error: BaseException) -> None:
            flight.failed.append((batch, error))
            self._slots.release()
            flight.ended()

        flight.sent += 1
        try:
            future = self._session.execute_async(statement)
        except Exception as error:  # the session refuses before sending
            refused(error)
            return
        future.add_callbacks(acknowledged, refused)

    def close(self) -> None:
        """Close the session."""
        self._cluster.shutdown()
