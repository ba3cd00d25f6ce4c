"""SHELL (Cassandra, files). Make the roles of roles.cql, with passwords out of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy.cassandra.migrations import Migration

ROLES = ("schema", "sink", "reader")
_FILE = Path(__file__).parent / "roles.cql"


def apply_roles(session: Any, keyspace: str, folder: Path) -> list[str]:
    """Make the three roles or set their passwords anew; return their names.

    Args:
        session: of a superuser.
        keyspace: checked already; it exists.
        folder: with a file for each role, called as the role is without its keyspace: schema, sink, reader.

    Raises:
        ValueError: a file is missing or empty; nothing was done.
        cassandra.DriverException: the server refused.
    """
    values = {"keyspace": keyspace}
    for role in ROLES:
        try:
            password = (folder / role).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"{folder / role}: {error.strerror}; it holds the password of {keyspace}_{role}") from error
        if not password:
            raise ValueError(f"{folder / role} is empty")
        values[f"{role}_password"] = password.replace("'", "''")
    for statement in Migration(0, "roles", _bare()).statements(values):
        session.execute(statement)
    return [f"{keyspace}_{role}" for role in ROLES]


def _bare() -> str:
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))
