"""SHELL (terminal, Cassandra). `candlewick watch`: the newest candle of each series, twice a second, as it is in the store."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from deploy.cli.read import reading
from deploy.cli.renderings import epoch_ms, for_people
from deploy.cli.targets import home_option

PERIOD_S = 0.5
_NUMBERS = ("open", "high", "low", "close", "volume")


@click.command()
@click.argument("series", nargs=-1)
@click.option("--timeframe", default="1m", show_default=True, help="Which candles; `all` for every timeframe.")
@click.option("--seconds", type=float, help="End by itself after so long; else at Ctrl-C.")
@home_option
def watch(series: tuple[str, ...], timeframe: str, seconds: float | None, home: Path) -> None:
    """Show the live candles of SERIES (all there are, where none is named)."""
    from rich.console import Console
    from rich.live import Live

    with reading(home) as (session, keyspace):
        select = session.prepare(f"SELECT * FROM {keyspace}.latest WHERE grp = 'all'")  # noqa: S608 - checked name
        end = None if seconds is None else time.monotonic() + seconds
        try:
            # Not on a terminal (a log, a test) nothing is cut off.
            console = Console(width=None if sys.stdout.isatty() else 200)
            with Live(
                console=console, auto_refresh=False, vertical_overflow="ellipsis" if console.is_terminal else "visible"
            ) as live:
                while True:
                    rows = [
                        row
                        for row in session.execute(select)
                        if (not series or row.series in series) and timeframe in ("all", row.timeframe)
                    ]
                    live.update(_table(rows, timeframe), refresh=True)
                    if end is not None and time.monotonic() >= end:
                        return
                    time.sleep(PERIOD_S)
        except KeyboardInterrupt:
            return


def _table(rows: list[Any], timeframe: str) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"live candles, {timeframe}", box=box.SIMPLE_HEAD, caption="times are UTC; Ctrl-C ends")
    several = timeframe == "all"
    for name in ("series", *(["tf"] if several else []), "start", *_NUMBERS, "trades", "coverage", "age"):
        table.add_column(
            name, justify="left" if name in ("series", "tf", "start", "coverage") else "right", no_wrap=name != "coverage"
        )
    now_ms = time.time_ns() // 1_000_000
    for row in rows:
        colour = "green" if row.close > row.open else "red" if row.close < row.open else ""
        table.add_row(
            Text(row.series),  # a name in brackets is no markup
            *([row.timeframe] if several else []),
            f"{row.start:%H:%M:%S}" if now_ms - epoch_ms(row.start) < 86_400_000 else f"{row.start:%Y-%m-%d %H:%M}",
            *(for_people(name, getattr(row, name)) for name in _NUMBERS),
            str(row.trade_count or row.update_count),  # a quote series counts its quotes
            "full" if row.coverage == 1 else f"{row.coverage:.1%} {row.gap_cause.replace('none', '')}",
            f"{max(0, now_ms - epoch_ms(row.updated_at)) / 1000:.1f} s",
            style=colour,
        )
    return table
