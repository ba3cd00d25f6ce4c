"""SHELL (terminal). `candlewick console`: the live page."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import click

from deploy.cassandra.connect import connected
from deploy.cli.targets import home_option, targets


@click.command()
@click.option("--port", default=8800, show_default=True, help="Port of the page; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; the page has no login.")
@click.option("--processor", default="", help="URL of any processor: changes are shown as it tells them, not twice a second.")
@home_option
def console(port: int, host: str, processor: str, home: Path) -> None:
    """Serve a page with live candles, gaps, coverage and feeds, read from Cassandra, until Ctrl-C.

    /candles/<series>/<timeframe>?as_of=T answers with the closed candles as they were known at T (microseconds or ISO, UTC).
    A run that leaves its account in the home (`candlewick demo` does) has it shown.
    """
    # Not for --help: aiohttp and the driver take their time.
    from cassandra import InvalidRequest

    from deploy.console.account import kept_in
    from deploy.console.server import Console, serve
    from deploy.console.store import Store
    from processor.core.rolls import parse_rolls

    async def until_stopped(store: Store) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(Console(store, processor, kept_in(home)), host, port, stop, click.echo)

    keyspace = os.environ.get("CANDLEWICK_KEYSPACE", "md")
    try:
        rolls = parse_rolls(os.environ.get("CANDLEWICK_SESSION_ROLLS", ""))
    except ValueError as error:
        raise click.UsageError(f"CANDLEWICK_SESSION_ROLLS: {error}") from error
    try:
        with connected(targets(home).cassandra) as session:
            asyncio.run(until_stopped(Store(session, keyspace, rolls)))
    except InvalidRequest as error:
        raise click.ClickException(f"keyspace {keyspace} is not ready: {error}; see `candlewick store apply`") from error
    except ConnectionError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port") from error
