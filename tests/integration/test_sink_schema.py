"""`candlewick store apply` on the real Cassandra: a keyspace from before there were migrations, one that is done, a newer one."""

import os

import pytest

from deploy.cassandra.connect import connected
from deploy.cassandra.schema import all_migrations, apply_schema, statements, version_of
from schemas.timeframes import parse
from sink.retention import days_of
from sink.store import Store
from tests.support.services import candlewick

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

NEWEST = all_migrations()[-1].number
LATER_ONES = ("candle_versions", "retention ADD")


@pytest.fixture
def keyspace(stack):
    """A name, and a session; what has been made under the name is dropped."""
    name = f"t{os.getpid()}schema"
    with connected(stack.cassandra) as session:
        yield name, session
        session.execute(f"DROP KEYSPACE IF EXISTS {name}", timeout=60)


def test_a_keyspace_from_before_migrations_gets_what_it_lacks_and_keeps_its_rows(stack, keyspace):
    name, session = keyspace
    centre = session.execute("SELECT data_center FROM system.local").one().data_center
    session.execute(f"CREATE KEYSPACE {name} WITH replication = {{'class': 'NetworkTopologyStrategy', '{centre}': 1}}")
    for statement in statements(name, [parse("1m")], days_of([parse("1m")])):
        if not any(words in statement for words in LATER_ONES):
            session.execute(statement)
    session.execute(f"INSERT INTO {name}.retention (series, timeframe, ttl_seconds) VALUES ('sim:X', '1m', 60)")
    assert version_of(session, name) == 0
    env = {
        "CANDLEWICK_KAFKA": stack.kafka,
        "CANDLEWICK_REGISTRY": stack.registry,
        "CANDLEWICK_CASSANDRA": stack.cassandra,
        "CANDLEWICK_KEYSPACE": name,
        "CANDLEWICK_TIMEFRAMES": "1m,5m",
        "CANDLEWICK_RETENTION_1m": "31",
    }
    said = candlewick(env, "store", "apply").splitlines()
    assert {"candle_versions: created", "candles_5m: created"} <= set(said)
    assert any(line.startswith("candles_1m: retention 2592000 s -> 2678400 s") for line in said)
    assert said[-1].endswith(f"schema version {NEWEST}")
    assert list(session.execute(f"SELECT series, ttl_seconds, note FROM {name}.retention")) == [("sim:X", 60, None)]
    again = candlewick(env, "store", "apply").splitlines()
    assert again == [f"keyspace {name}: nothing to change, schema version {NEWEST}"]
    store = Store.connect(stack.cassandra, name)
    try:
        keep = {t: round(days * 86_400) for t, days in days_of([parse("1m"), parse("5m")], {"1m": 31}).items()}
        store.prepare(keep, ["1m", "5m"])  # every table and column that the sink writes is there
    finally:
        store.close()


def test_a_keyspace_of_a_newer_release_is_left_alone(keyspace):
    name, session = keyspace
    apply_schema(session, name, ["1m"])
    session.execute(
        f"INSERT INTO {name}.schema_migrations (subject, number, name, checksum) VALUES ('all', {NEWEST + 1}, 'later', 'x')"
    )
    with pytest.raises(ValueError, match="older than the tables"):
        apply_schema(session, name, ["1m", "5m"])
    query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
    assert "candles_5m" not in {r.table_name for r in session.execute(query, (name,))}
