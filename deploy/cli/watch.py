"""SHELL (terminal, Cassandra). `candlewick watch`: the newest candle of each series, twice a second, as it is in the store."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from deploy.cli.read import reading
from deploy.cli.renderings import epoch_ms, for_people
from deploy.cli.targets import home_option

PERIOD_S = 0.5
_NUMBERS = ("open", "high", "low", "close", "volume", "trade_count", "update_count")


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
            with Live(console=Console(), auto_refresh=False, transient=False) as live:
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

    table = Table(title=f"live candles, {timeframe}", box=box.SIMPLE_HEAD, caption="times are UTC; Ctrl-C ends")
    for name in ("series", "timeframe", "start", *_NUMBERS, "state", "coverage", "gap cause", "age"):
        table.add_column(name, justify="right" if name in (*_NUMBERS, "coverage", "age") else "left")
    now_ms = time.time_ns() // 1_000_000
    for row in rows:
        colour = "green" if row.close > row.open else "red" if row.close < row.open else ""
        table.add_row(
            row.series,
            row.timeframe,
            for_people("start_ms", epoch_ms(row.start)),
            *(for_people(name, getattr(row, name)) for name in _NUMBERS),
            row.state,
            f"{row.coverage:.4g}",
            "" if row.gap_cause == "none" else row.gap_cause,
            f"{max(0, now_ms - epoch_ms(row.updated_at)) / 1000:.1f} s",
            style=colour,
        )
    return table
