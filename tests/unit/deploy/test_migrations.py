import pytest

from deploy.cassandra.migrations import WHOLE, Migration, lacking, read
from deploy.cassandra.schema import all_migrations

CANDLES = Migration(1, "candles", "CREATE TABLE $keyspace.candles_$timeframe (a int)")
TABLES = Migration(2, "tables", "CREATE TABLE $keyspace.gaps (a int);\nCREATE TABLE $keyspace.trades (a int);")
MORE = Migration(3, "more", "ALTER TABLE $keyspace.candles_$timeframe ADD b int")
ALL = (CANDLES, TABLES, MORE)


def steps(*arguments):
    return [(s.migration.number, s.subject) for s in lacking(*arguments)]


def recorded(*names):
    return {(subject, number): ALL[number - 1].checksum for subject, number in names}


def test_an_empty_keyspace_lacks_everything_in_order():
    assert steps(ALL, ["1m", "5m"], {}) == [(1, "1m"), (1, "5m"), (2, WHOLE), (3, "1m"), (3, "5m")]


def test_what_was_applied_is_not_applied_again():
    everything = recorded(("1m", 1), (WHOLE, 2), ("1m", 3))
    assert steps(ALL, ["1m"], everything) == []
    assert steps(ALL, ["1m"], recorded(("1m", 1), (WHOLE, 2))) == [(3, "1m")]


def test_a_timeframe_that_comes_later_gets_all_of_its_migrations_in_order():
    assert steps(ALL, ["1m", "5m"], recorded(("1m", 1), (WHOLE, 2), ("1m", 3))) == [(1, "5m"), (3, "5m")]


def test_a_keyspace_of_a_newer_release_is_refused():
    with pytest.raises(ValueError, match="older than the tables"):
        lacking(ALL[:2], ["1m"], recorded(("1m", 3)))


def test_a_migration_that_was_changed_after_it_was_applied_is_refused():
    changed = Migration(1, "candles", CANDLES.text.replace("int", "bigint"))
    with pytest.raises(ValueError, match="write a new one"):
        lacking((changed, *ALL[1:]), ["1m"], recorded(("1m", 1)))


def test_comments_and_line_breaks_are_no_change():
    one, other = (read({"001_a.cql": text})[0] for text in ("-- why\nCREATE\n  x -- y\n", "CREATE x\n-- another reason"))
    assert one.checksum == other.checksum


@pytest.mark.parametrize("names", [["a.cql"], ["001_a.cql", "003_b.cql"], ["002_a.cql"], ["001_a.cql", "001_b.cql"]])
def test_names_without_an_unbroken_row_of_numbers_are_refused(names):
    with pytest.raises(ValueError, match=r"001_name|numbers"):
        read(dict.fromkeys(names, "x"))


def test_statements_are_filled_in_and_parted():
    assert TABLES.statements({"keyspace": "md"}) == ["CREATE TABLE md.gaps (a int)", "CREATE TABLE md.trades (a int)"]
    with pytest.raises(KeyError):
        CANDLES.statements({"keyspace": "md"})


RELEASED = {1: "338940f998e75ff1", 2: "6d2fa84a0a494faa", 3: "b73c13c0fec9d525", 4: "1f5a72d1f2409874", 5: "e22364c84e0148eb"}


@pytest.mark.parametrize("migration", all_migrations(), ids=lambda m: m.name)
def test_a_released_migration_never_changes(migration):
    """What is in somebody's keyspace cannot be edited here: add a new file, and its checksum below."""
    assert migration.checksum == RELEASED[migration.number]
