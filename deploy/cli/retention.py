"""SHELL (terminal, Cassandra). `candlewick retention`: how long rows are kept, and other lengths for some series, at run time.

The sink reads the overrides every five seconds and applies them to what it writes from then on; rows that are there keep the
life that they were written with. What all series of a table get is a setting (CANDLEWICK_RETENTION_*) and `store apply`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from deploy.cli.keeping import decided, listing, seconds_of, text_of
from deploy.cli.read import reading
from deploy.cli.renderings import as_json
from deploy.cli.targets import home_option
from schemas.records import instrument_of
from schemas.timeframes import parse
from sink.overrides import checked
from sink.retention import TABLES
from sink.tables import candles_table


class _Kept(click.ParamType):
    name = "LENGTH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return seconds_of(value) if isinstance(value, str) else int(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
def retention() -> None:
    """How long rows are kept: the tables' own lengths, and overrides by series."""


@retention.command()
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@home_option
def show(form: str, home: Path) -> None:
    """Show what is kept for how long, and how many series each override decides about."""
    with reading(home) as (session, keyspace):
        rows = _overrides(session, keyspace)
        good, _ = checked((r.series, r.timeframe, r.ttl_seconds) for r in rows)
        lines = listing(_defaults(session, keyspace), rows, good, *_series(session, keyspace))
    if form == "json":
        click.echo(as_json(lines))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="retention", box=box.SIMPLE_HEAD, caption="counted from a row's own time, not from when it was written")
    for name in ("what", "series", "kept", "decides", "note"):
        table.add_column(name, no_wrap=name in ("what", "series"))
    for line in lines:
        table.add_row(*map(Text, line.values()))  # as it is: a name in brackets is no markup
    Console(width=160).print(table)


@retention.command("set")
@click.argument("pattern")
@click.argument("what")
@click.argument("kept_s", metavar="LENGTH", type=_Kept())
@click.option("--note", default="", help="Why, for those who come after.")
@home_option
def set_(pattern: str, what: str, kept_s: int, note: str, home: Path) -> None:
    """Keep rows of the series that PATTERN stands for (* is anything) for LENGTH: 60d, 12h, 90s, or ever.

    WHAT is one or more timeframes or tables, separated by commas: 1m,5m or trades, quotes, gaps, candle_versions. Trades and
    quotes are known by source:symbol, candles and gaps by series. Of several patterns the one with the most literal characters
    wins.
    """
    if not pattern.strip():
        raise click.UsageError("PATTERN is empty; * stands for every series")
    with reading(home) as (session, keyspace):
        defaults = _defaults(session, keyspace)
        names = _known(what, defaults)
        insert = session.prepare(f"INSERT INTO {keyspace}.retention (series, timeframe, ttl_seconds, note) VALUES (?, ?, ?, ?)")  # noqa: S608 - checked name
        for name in names:
            session.execute(insert, (pattern, name, kept_s, note))
        good, _ = checked((r.series, r.timeframe, r.ttl_seconds) for r in _overrides(session, keyspace))
        series, instruments = _series(session, keyspace)
    for name in names:
        among = instruments if name in ("trades", "quotes") else series
        click.echo(f"{name} of {pattern}: {text_of(kept_s)}, {len(decided(good, pattern, name, among))} of {len(among)} series")
        if defaults[name] and (not kept_s or kept_s > defaults[name]):
            click.echo(
                f"  longer than the table's {text_of(defaults[name])}: expired files of {name} go later, as they hold such rows"
            )
    click.echo("for what is written from now on (within five seconds); rows that are there keep their life")


@retention.command()
@click.argument("pattern")
@click.argument("what")
@home_option
def unset(pattern: str, what: str, home: Path) -> None:
    """Withdraw what was set for PATTERN and WHAT; exit status 1 where nothing was."""
    with reading(home) as (session, keyspace):
        present = {(r.series, r.timeframe) for r in _overrides(session, keyspace)}
        names = [name.strip() for name in what.split(",")]
        absent = [name for name in names if (pattern, name) not in present]
        if absent:
            raise click.ClickException(f"nothing is set for {pattern} {', '.join(absent)}: see `candlewick retention show`")
        delete = session.prepare(f"DELETE FROM {keyspace}.retention WHERE series = ? AND timeframe = ?")  # noqa: S608 - checked name
        for name in names:
            session.execute(delete, (pattern, name))
            click.echo(f"{name} of {pattern}: as the others, for what is written from now on")


def _known(what: str, defaults: dict[str, int]) -> list[str]:
    names = [name.strip() for name in what.split(",")]
    if strange := [name for name in names if name not in defaults]:
        raise click.UsageError(f"{', '.join(strange)}: not among {', '.join(defaults)}")
    return names


def _overrides(session: Any, keyspace: str) -> list[Any]:
    return list(session.execute(f"SELECT series, timeframe, ttl_seconds, note FROM {keyspace}.retention"))  # noqa: S608 - checked name


def _defaults(session: Any, keyspace: str) -> dict[str, int]:
    query = "SELECT table_name, default_time_to_live FROM system_schema.tables WHERE keyspace_name = %s"
    found = {r.table_name: r.default_time_to_live for r in session.execute(query, (keyspace,))}
    prefix = candles_table("")
    frames = sorted((parse(table.removeprefix(prefix)) for table in found if table.startswith(prefix)), key=lambda t: t.us)
    return {t.name: found[candles_table(t.name)] for t in frames} | {name: found[name] for name in TABLES if name in found}


def _series(session: Any, keyspace: str) -> tuple[list[str], list[str]]:
    rows = list(session.execute(f"SELECT series, source, symbol FROM {keyspace}.series_list WHERE grp = 'all'"))  # noqa: S608 - checked name
    return sorted(r.series for r in rows), sorted({instrument_of(r.source, r.symbol) for r in rows})
