"""SHELL (Cassandra). Create the keyspace and its tables, and bring their retention in line; the only place that makes schema.

Running it again changes nothing, except the lifetimes that were asked for anew. Tables are never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from deploy.cassandra.lifetime import lifetime
from schemas.timeframes import Timeframe, parse
from sink.retention import days_of, seconds

_FOLDER = Path(__file__).parent


def statements(keyspace: str, timeframes: Iterable[Timeframe], days: Mapping[str, float]) -> list[str]:
    """Return the CREATE TABLE statements of the whole schema, in order."""
    texts = [
        Template(_read("candles.cql")).substitute(keyspace=keyspace, timeframe=t.name, lifetime=lifetime(seconds(days[t.name])))
        for t in timeframes
    ]
    lifetimes = {f"{table}_lifetime": _lifetime_of(table, seconds(days[table])) for table in ("trades", "quotes", "gaps")}
    texts.append(Template(_read("tables.cql")).substitute(keyspace=keyspace, **lifetimes))
    return [s for text in texts for s in _split(text)]


def apply_schema(
    session: Any,
    keyspace: str,
    timeframes: Iterable[Timeframe | str],
    replication: int = 1,
    retention_days: Mapping[str, float] | None = None,
) -> list[str]:
    """Create what is missing in `keyspace` and set each table's lifetime; return what was changed, for people.

    Args:
        session: a driver session, connected to no keyspace in particular.
        keyspace: lower-case name; created where it is missing.
        timeframes: timeframes, or their names.
        replication: replicas of a keyspace that has to be created; one that exists keeps its own.
        retention_days: by timeframe name or table (trades, quotes, gaps), days, 0 = for ever; the rest is by default.

    Raises:
        ValueError: the keyspace's name, a timeframe or a retention is wrong; nothing was changed.
        cassandra.DriverException: the server refused or did not answer.
    """
    if not keyspace.isidentifier() or not keyspace.islower() or len(keyspace) > 48:
        raise ValueError(f"{keyspace!r} is no keyspace name: lower-case letters, digits and _, at most 48")
    parsed = [parse(t) if isinstance(t, str) else t for t in timeframes]
    days = days_of(parsed, retention_days)
    creations = statements(keyspace, parsed, days)
    before = _lifetimes(session, keyspace)
    if not before and not _keyspace_exists(session, keyspace):
        centre = session.execute("SELECT data_center FROM system.local").one().data_center
        session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
            f"{{'class': 'NetworkTopologyStrategy', '{centre}': {replication}}} AND durable_writes = true"
        )
    wanted = {f"candles_{t.name}": seconds(days[t.name]) for t in parsed}
    wanted |= {name: seconds(days[name]) for name in ("trades", "quotes", "gaps")}
    wanted["feed_status_log"] = wanted["gaps"]
    changed = []
    for creation in creations:
        table = creation.split(f"{keyspace}.", 1)[1].split(maxsplit=1)[0]
        if table not in before:
            session.execute(creation)
            changed.append(f"{table}: created")
        elif table in wanted and before[table] != wanted[table]:
            session.execute(f"ALTER TABLE {keyspace}.{table} WITH {_lifetime_of(table, wanted[table])}")
            changed.append(f"{table}: retention {before[table]} s -> {wanted[table]} s (rows that are there keep their old one)")
    return changed


def _lifetime_of(table: str, ttl_s: int) -> str:
    windowed = table not in ("gaps", "feed_status_log")
    return lifetime(ttl_s, windowed=windowed, corrected=table.startswith("candles_"))


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _split(text: str) -> list[str]:
    bare = "\n".join(line.split("--", 1)[0].rstrip() for line in text.splitlines())
    return [s.strip() for s in bare.split(";") if s.strip()]


def _lifetimes(session: Any, keyspace: str) -> dict[str, int]:
    rows = session.execute(
        "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
    )
    return {r.table_name: r.default_time_to_live for r in rows}


def _keyspace_exists(session: Any, keyspace: str) -> bool:
    query = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"
    return session.execute(query, (keyspace,)).one() is not None
