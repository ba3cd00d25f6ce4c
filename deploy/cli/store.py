"""SHELL (terminal). `candlewick store`: the Cassandra side of a deployment."""

from __future__ import annotations

import os
from pathlib import Path

import click

from deploy.cassandra.connect import connected
from deploy.cassandra.roles import apply_roles
from deploy.cassandra.schema import apply_schema, version_of
from deploy.cli.read import reading
from deploy.cli.targets import home_option, targets
from schemas import environment, timeframes
from sink import retention


@click.group()
def store() -> None:
    """Keyspace and tables of the candles."""


@store.command()
@click.option("--home", type=click.Path(path_type=Path), help="Folder of the local stack.")
def apply(home: Path | None) -> None:
    """Create the keyspace, apply the migrations it lacks, and bring retention in line with the settings.

    Reads CANDLEWICK_KEYSPACE, _TIMEFRAMES, _CASSANDRA_REPLICATION and _RETENTION_*. Running it again is harmless; no table
    is ever dropped. What was applied is recorded in schema_migrations; a keyspace of a newer release is refused.
    """
    strange = environment.unknown(os.environ)
    if strange:
        raise click.UsageError(f"unknown settings: {', '.join(strange)}")
    keyspace = os.environ.get("CANDLEWICK_KEYSPACE", "md")
    try:
        frames = timeframes.parse_list(os.environ.get("CANDLEWICK_TIMEFRAMES", timeframes.DEFAULT))
        replication = int(os.environ.get("CANDLEWICK_CASSANDRA_REPLICATION", "1"))
        days = retention.from_environment(os.environ)
        with connected(targets(home).cassandra) as session:
            changed = apply_schema(session, keyspace, frames, replication, days)
            version = version_of(session, keyspace)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except ConnectionError as error:
        raise click.ClickException(str(error)) from error
    for line in changed:
        click.echo(line)
    said = f"{len(changed)} changes" if changed else "nothing to change"
    click.echo(f"keyspace {keyspace}: {said}, schema version {version}")


@store.command()
@click.option(
    "--passwords",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder with the files schema, sink and reader, each holding one password.",
)
@home_option
def roles(folder: Path, home: Path) -> None:
    """Make the roles of schema, sink and readers, or set their passwords anew; as a superuser, after the first `apply`.

    What each may do is in deploy/cassandra/roles.cql.
    """
    try:
        with reading(home) as (session, keyspace):
            made = apply_roles(session, keyspace, folder)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"roles {', '.join(made)}: made, with the passwords in {folder}")
