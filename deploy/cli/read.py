"""SHELL (terminal, Cassandra). `candlewick candles` and `candlewick gaps`: the newest versions, read back from the store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from deploy.cassandra.connect import connected
from deploy.cli.as_of import known_at
from deploy.cli.renderings import (
    CANDLE_FIELDS,
    GAP_FIELDS,
    Fields,
    as_csv,
    as_json,
    candle_fields,
    for_people,
    gap_fields,
    instant_us,
)
from deploy.cli.targets import home_option, targets
from schemas.timeframes import parse
from sink.retention import VERSIONS

F = TypeVar("F", bound=Callable[..., Any])
EVER = (-(1 << 53), 1 << 53)
"""Milliseconds before and after everything; within what the driver can turn into a moment it need not be."""


class Moment(click.ParamType):
    """A moment as milliseconds or in ISO 8601; its value is microseconds UTC."""

    name = "MS|ISO"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return microseconds; what is no text is that already."""
        try:
            return instant_us(value) if isinstance(value, str) else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither milliseconds nor an ISO time, such as 2026-01-31T12:00:00", param, ctx)


def _range_and_format(command: F) -> F:
    options = (
        click.argument("series", nargs=-1),
        click.option("--from", "from_us", type=Moment(), help="First moment (inclusive): milliseconds or ISO, UTC."),
        click.option("--to", "to_us", type=Moment(), help="End (exclusive)."),
        click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True),
        home_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_range_and_format
@click.option("--timeframe", default="1m", show_default=True, help="Which candles: 10s, 1m, 5m, 1h, ...")
@click.option("--final", is_flag=True, help="Leave out candles that are still open.")
@click.option("--as-of", "as_of_us", type=Moment(), help="Closed candles as they were known at this moment: milliseconds or ISO.")
def candles(
    series: tuple[str, ...],
    from_us: int | None,
    to_us: int | None,
    form: str,
    home: Path,
    timeframe: str,
    final: bool,
    as_of_us: int | None,
) -> None:
    """Show the newest version of each candle of SERIES (all there are, where none is named), by series and start.

    With --as-of T only what had been published by T counts: no later correction is seen, and no window that closed later.
    It reaches back as far as versions are kept (CANDLEWICK_RETENTION_CANDLE_VERSIONS).
    """
    try:
        parse(timeframe)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with reading(home) as (session, keyspace):
        table = f"{keyspace}.candles_{timeframe}"
        columns = ", ".join(c for c in CANDLE_FIELDS if c not in ("timeframe", "start_ms"))
        if as_of_us is None:
            chosen, among = columns, f"{table} WHERE series = ?"
        else:
            chosen, among = f"{columns}, published_us", f"{keyspace}.{VERSIONS} WHERE series = ? AND timeframe = '{timeframe}'"
            session.prepare(f"SELECT start FROM {table} LIMIT 1")  # noqa: S608 - says where there is no such timeframe
        select = session.prepare(f"SELECT start, {chosen} FROM {among} AND start >= ? AND start < ? ORDER BY start ASC")  # noqa: S608
        first = EVER[0] if from_us is None else -(-from_us // 1000)
        end = EVER[1] if to_us is None else -(-to_us // 1000)
        found = (
            candle_fields(row, timeframe)
            for name in sorted(set(series)) or _all_series(session, table)
            for row in _known(session.execute(select, (name, first, end)), as_of_us)
            if not (final and row.state == "live")
        )
        _show(f"{timeframe} candles", CANDLE_FIELDS, found, form)


@click.command()
@_range_and_format
@click.option("--all", "empty_too", is_flag=True, help="Also gaps of which nothing is left (end = beginning).")
def gaps(series: tuple[str, ...], from_us: int | None, to_us: int | None, form: str, home: Path, empty_too: bool) -> None:
    """Show the gaps of SERIES (all there are, where none is named) that reach into the range, by series and beginning."""
    with reading(home) as (session, keyspace):
        query = f"SELECT * FROM {keyspace}.gaps WHERE series = ? AND start < ? ORDER BY start ASC, gap_id DESC"  # noqa: S608
        select = session.prepare(query)
        # start is the gap's beginning cut to milliseconds; the exact border is compared below.
        end = EVER[1] if to_us is None else -(-to_us // 1000)
        found = [
            row
            for name in sorted(set(series)) or _all_series(session, f"{keyspace}.gaps")
            for row in session.execute(select, (name, end))
            if (to_us is None or row.from_us < to_us)
            and (from_us is None or row.to_us > from_us or row.from_us >= from_us)
            and (empty_too or row.to_us != row.from_us)
        ]
        found.sort(key=lambda row: (row.series, row.from_us, row.gap_id))
        _show("gaps", GAP_FIELDS, map(gap_fields, found), form)


@contextmanager
def reading(home: Path) -> Iterator[tuple[Any, str]]:
    """Yield a session and the keyspace to read from (CANDLEWICK_KEYSPACE, else md).

    Raises:
        click.ClickException: Cassandra does not answer, or lacks what was asked for; one line for people.
    """
    keyspace = os.environ.get("CANDLEWICK_KEYSPACE") or "md"
    if not re.fullmatch("[a-z][a-z0-9_]{0,47}", keyspace):
        raise click.UsageError(f"CANDLEWICK_KEYSPACE: {keyspace!r} is no keyspace name")
    from cassandra import DriverException
    from cassandra.cluster import NoHostAvailable

    try:
        with connected(targets(home).cassandra) as session:
            yield session, keyspace
    except ConnectionError as error:
        raise click.ClickException(str(error)) from error
    except (DriverException, NoHostAvailable) as error:
        absent = any(words in str(error) for words in ("not exist", "unconfigured", "Undefined column"))
        hint = ": tables are made by `candlewick store apply`, for the timeframes of CANDLEWICK_TIMEFRAMES" if absent else ""
        raise click.ClickException(f"Cassandra: {error}{hint}") from error


def _known(rows: Iterable[Any], as_of_us: int | None) -> Iterable[Any]:
    return rows if as_of_us is None else known_at(rows, as_of_us)


def _all_series(session: Any, table: str) -> list[str]:
    return sorted(row.series for row in session.execute(f"SELECT DISTINCT series FROM {table}"))  # noqa: S608 - our own names


def _show(title: str, names: Sequence[str], rows: Iterable[Fields], form: str) -> None:
    if form == "csv":
        click.echo(as_csv(names, ()), nl=False)
        for part in _portions(rows, 1000):
            click.echo(as_csv(names, part, header=False), nl=False)
    elif form == "json":
        click.echo(as_json(rows))
    else:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title, box=box.SIMPLE_HEAD, caption="times are UTC")
        for name in names:
            table.add_column(name.removesuffix("_ms"), no_wrap=name == "series", justify="left" if name in _TEXTS else "right")
        for row in rows:
            table.add_row(*(Text(for_people(name, row[name])) for name in names))  # a name in brackets is no markup
        # Not on a terminal the lines are as long as they need to be: nothing is cut off.
        Console(width=None if os.isatty(1) else 300).print(table)


_TEXTS = {"series", "timeframe", "state", "gap_cause", "cause", "detail", "gap_id"}


def _portions(rows: Iterable[Fields], size: int) -> Iterator[list[Fields]]:
    portion: list[Fields] = []
    for row in rows:
        portion.append(row)
        if len(portion) == size:
            yield portion
            portion = []
    yield portion
