"""SHELL (terminal). `candlewick replay`: recordings through the whole pipeline."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from deploy.cli.caught_up import NotCaughtUpError, wait_until_caught_up
from deploy.cli.targets import home_option, targets
from producer import logs
from producer.errors import FatalError
from producer.pace import Rate, parse_rate
from producer.replay import Replay
from producer.settings import SettingsError, load
from schemas import timeframes


def _rate(_context: click.Context, _parameter: click.Parameter, text: str) -> Rate:
    try:
        return parse_rate(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE...")
@home_option
@click.option("--source", default="replay", show_default=True, help="First part of the series' names.")
@click.option("--rate", default="max", show_default=True, callback=_rate, help="Records a second, or max, or realtime.")
@click.option("--finish", is_flag=True, help="Say at the end that the recording is over, so that every window closes.")
@click.option("--wait", is_flag=True, help="Return only when processor and sink have caught up.")
@click.option("--wait-timeout", default=300.0, show_default=True, type=click.FloatRange(min=0), help="Seconds to wait at most.")
def replay(
    *, files: tuple[Path, ...], home: Path, source: str, rate: Rate, finish: bool, wait: bool, wait_timeout: float
) -> None:
    """Feed recorded trades and quotes through the pipeline: JSON Lines, plain or gzip, one object a line.

    A trade: {"type":"trade","symbol":"X","event_time_us":1,"receive_time_us":2,"price":1.0,"size":1.0,"side":"buy","id":"7",
    "sequence":9}. A quote: {"type":"quote","symbol":"X","event_time_us":1,"bid":1.0,"ask":1.1,"bid_size":1,"ask_size":1,
    "sequence":9}. receive_time_us, side, id, sequence and a quote's sizes may be missing; sequence is the venue's order.

    Lines that are no record go to the dead letters, with the reason. The last line printed is a summary in JSON.
    """
    if not source.isprintable() or not source or ":" in source:
        raise click.UsageError("--source has to be printable and without a colon: the series' name splits at the first one")
    logs.configure()
    servers = targets(home)
    try:
        settings = load(kafka=servers.kafka, registry=servers.registry)
        frames = timeframes.parse_list(os.environ.get("CANDLEWICK_TIMEFRAMES", timeframes.DEFAULT))
    except (SettingsError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    try:
        with _progress() as on_progress:
            run = Replay(files, settings, source=source, rate=rate, finish=finish, on_progress=on_progress)
            with _stopped_by_signals(run):
                summary = run.run()
        if wait:
            wait_until_caught_up(
                servers,
                run.ends,
                prefix=settings.topic_prefix,
                keyspace=os.environ.get("CANDLEWICK_KEYSPACE", "md"),
                timeframes=frames,
                timeout_s=wait_timeout,
            )
    except (FatalError, NotCaughtUpError, ConnectionError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(summary.as_dict()))


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("replay", total=None)

    def __call__(self, read: int, total: int) -> None:
        self._progress.update(self._task, completed=read, total=total)


@contextmanager
def _progress() -> Iterator[_Bar]:
    console = Console(stderr=True)
    with Progress(*Progress.get_default_columns(), console=console, disable=not console.is_terminal) as progress:
        yield _Bar(progress)


@contextmanager
def _stopped_by_signals(run: Replay) -> Iterator[None]:
    # Ctrl-C and SIGTERM end a replay in order: what was read is acknowledged, and the summary says how far it came.
    before = {s: signal.signal(s, lambda _number, _frame: run.stop()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
