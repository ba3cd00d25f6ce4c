"""SHELL (Cassandra). Create the keyspace, apply the migrations it lacks, bring retention in line. Nothing else makes schema.

Running it again changes nothing, except the lifetimes that were asked for anew. Tables are never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.cassandra import migrations
from deploy.cassandra.lifetime import lifetime
from deploy.cassandra.migrations import WHOLE, Migration, Step
from schemas.timeframes import Timeframe, parse
from sink.retention import TABLES, days_of, seconds
from sink.tables import candles_table

_FOLDER = Path(__file__).parent
_RECORDS = "schema_migrations"
_NOT_WINDOWED = ("gaps", "feed_status_log")
"""Their write timestamps do not follow the rows' own time."""
_CORRECTED = ("candles_", "candle_versions")


def all_migrations() -> tuple[Migration, ...]:
    """Return the migrations of this release, in order."""
    return migrations.read({path.name: path.read_text(encoding="utf-8") for path in _FOLDER.glob("[0-9]*.cql")})


def statements(keyspace: str, timeframes: Iterable[Timeframe], days: Mapping[str, float]) -> list[str]:
    """Return every statement that makes the whole schema in an empty keyspace, in order."""
    frames = tuple(timeframes)
    steps = migrations.lacking(all_migrations(), [t.name for t in frames], {})
    return [s for step in steps for s in _statements(step, keyspace, days)]


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
        retention_days: by timeframe name or table (`sink.retention.TABLES`), days, 0 = for ever; the rest is by default.

    Raises:
        ValueError: the keyspace's name, a timeframe or a retention is wrong, or the keyspace is not of this release;
            nothing was changed.
        cassandra.DriverException: the server refused or did not answer.
    """
    if not keyspace.isidentifier() or not keyspace.islower() or len(keyspace) > 48:
        raise ValueError(f"{keyspace!r} is no keyspace name: lower-case letters, digits and _, at most 48")
    frames = [parse(t) if isinstance(t, str) else t for t in timeframes]
    days = days_of(frames, retention_days)
    wanted = {candles_table(t.name): seconds(days[t.name]) for t in frames} | {name: seconds(days[name]) for name in TABLES}
    wanted["feed_status_log"] = wanted["gaps"]
    before = _lifetimes(session, keyspace)
    recorded = _recorded(session, keyspace) if _RECORDS in before else {}
    steps = migrations.lacking(all_migrations(), [t.name for t in frames], recorded)
    if not before and not _keyspace_exists(session, keyspace):
        centre = session.execute("SELECT data_center FROM system.local").one().data_center
        session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
            f"{{'class': 'NetworkTopologyStrategy', '{centre}': {replication}}} AND durable_writes = true"
        )
    _migrate(session, keyspace, steps, days, _RECORDS in before)
    now = _lifetimes(session, keyspace)
    changed = [f"{table}: created" for table in sorted(set(now) - set(before) - {_RECORDS})]
    changed += [f"migration {s.migration.number:03d}_{s.migration.name}{_of(s)}: applied" for s in steps if before]
    for table, ttl_s in sorted(wanted.items()):
        if now[table] != ttl_s:
            session.execute(f"ALTER TABLE {keyspace}.{table} WITH {_lifetime_of(table, ttl_s)}")
            changed.append(f"{table}: retention {now[table]} s -> {ttl_s} s (rows that are there keep their old one)")
    return changed


def version_of(session: Any, keyspace: str) -> int:
    """Return the number of the newest migration that the keyspace has, 0 where it has none."""
    has = _RECORDS in _lifetimes(session, keyspace)
    return max((number for _, number in _recorded(session, keyspace)), default=0) if has else 0


def _migrate(session: Any, keyspace: str, steps: list[Step], days: Mapping[str, float], has_records: bool) -> None:
    if not has_records:
        session.execute(
            f"CREATE TABLE IF NOT EXISTS {keyspace}.{_RECORDS} (subject text, number int, name text, checksum text, "
            "applied_at timestamp, PRIMARY KEY (subject, number))"
        )
    insert = (
        f"INSERT INTO {keyspace}.{_RECORDS} (subject, number, name, checksum, applied_at) "  # noqa: S608 - checked name
        "VALUES (%s, %s, %s, %s, toTimestamp(now()))"
    )
    for step in steps:
        for statement in _statements(step, keyspace, days):
            session.execute(statement)
        m = step.migration
        session.execute(insert, (step.subject, m.number, m.name, m.checksum))


def _statements(step: Step, keyspace: str, days: Mapping[str, float]) -> list[str]:
    values = {f"{table}_lifetime": _lifetime_of(table, seconds(days[table])) for table in TABLES}
    if step.subject != WHOLE:
        values |= {"timeframe": step.subject, "lifetime": _lifetime_of(candles_table(step.subject), seconds(days[step.subject]))}
    return step.migration.statements(values | {"keyspace": keyspace})


def _of(step: Step) -> str:
    return "" if step.subject == WHOLE else f" ({step.subject})"


def _lifetime_of(table: str, ttl_s: int) -> str:
    return lifetime(ttl_s, windowed=table not in _NOT_WINDOWED, corrected=table.startswith(_CORRECTED))


def _recorded(session: Any, keyspace: str) -> dict[tuple[str, int], str]:
    rows = session.execute(f"SELECT subject, number, checksum FROM {keyspace}.{_RECORDS}")  # noqa: S608 - checked name
    return {(r.subject, r.number): r.checksum for r in rows}


def _lifetimes(session: Any, keyspace: str) -> dict[str, int]:
    rows = session.execute(
        "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)
    )
    return {r.table_name: r.default_time_to_live for r in rows}


def _keyspace_exists(session: Any, keyspace: str) -> bool:
    query = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"
    return session.execute(query, (keyspace,)).one() is not None
