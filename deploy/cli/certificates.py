"""SHELL (terminal). ``candlewick certificates``: a private authority and what it signs."""

from __future__ import annotations

from pathlib import Path

import click

DAYS = 397
"""Our choice: what browsers take at most; servers are restarted more often than once a year."""


def _server(_context: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    servers = {}
    for value in values:
        name, _, hosts = value.partition("=")
        servers[name] = tuple(host.strip() for host in hosts.split(",") if host.strip())
        if not name or not servers[name]:
            raise click.BadParameter(f"{value!r}: write name=host[,host], as in kafka=kafka-0.example,10.0.0.5")
    return servers


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--server", "servers", multiple=True, callback=_server, metavar="NAME=HOST[,HOST]", help="May be repeated.")
@click.option("--days", type=click.IntRange(1, 3650), default=DAYS, show_default=True, help="How long certificates hold.")
def certificates(folder: Path, servers: dict[str, tuple[str, ...]], days: int) -> None:
    """Write a private authority into FOLDER, unless one is there, and a certificate for each server.

    Clients are given ca.pem alone. NAME.pem is for Kafka and Cassandra, NAME.crt and NAME.key for the registry. Whoever has
    ca.key can be any server: keep it where the services are not.
    """
    from deploy.security.certificates import CertificateError, make

    try:
        written = make(folder, servers, days)
    except (CertificateError, OSError) as error:
        raise click.ClickException(str(error)) from error
    for file in written:
        click.echo(str(file))
