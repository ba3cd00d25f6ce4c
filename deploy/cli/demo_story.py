"""SHELL (terminal). The demo's story: candles close before the reader's eyes, the line drops, the gap is recorded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from deploy.cli.account import Account
from deploy.cli.readings import Readings, Sampler
from deploy.cli.venue import SOURCE, Venue
from deploy.local.supervisor import Supervisor

OUTAGE_S = 4.0
OUTAGE_AFTER_S = 30.0
"""Where no duration is given; else two fifths of it. Our choice."""
FIRST_CANDLE_S = 120.0
GAP_CLOSED_S = 60.0


@dataclass
class Story:
    """What the demo knows while it runs. `busy` is the series that is watched."""

    venue: Venue
    readings: Readings
    say: Callable[[str], None]
    busy: str
    began: float
    supervisor: Supervisor
    injected: int = 0
    first_candle_s: float | None = None
    shown: datetime | None = None


def tell(run: Story, sampler: Sampler, seconds: int | None) -> None:
    """Tell the story for `seconds`, or until Ctrl-C where that is None.

    Raises:
        click.ClickException: no candle comes, or a service refuses its settings.
        KeyboardInterrupt: the reader has seen enough.
    """
    _await_first_candle(run, sampler)
    run.first_candle_s = round(time.monotonic() - run.began, 1)
    run.say(f"[bold]the first candle is readable in Cassandra[/bold] after {run.first_candle_s} s")
    started = time.monotonic()
    _watch(run, started + (OUTAGE_AFTER_S if seconds is None else seconds * 0.4))
    run.venue.drop(OUTAGE_S)
    run.injected += 1
    run.say(f"[bold red]outage:[/bold red] the venue drops the line and refuses it for {OUTAGE_S:g} s")
    _watch(run, time.monotonic() + OUTAGE_S)
    _watch(run, time.monotonic() + GAP_CLOSED_S, closed=True)
    _tell_outage(run)
    _watch(run, float("inf") if seconds is None else started + seconds)


def _await_first_candle(run: Story, sampler: Sampler) -> None:
    deadline = time.monotonic() + FIRST_CANDLE_S
    while not sampler.first.wait(0.1):
        ended = [s.name for s in run.supervisor.statuses() if s.state in ("refused", "finished")]
        if ended or time.monotonic() > deadline:
            why = f"{ended[0]} has ended" if ended else f"no candle reached Cassandra within {FIRST_CANDLE_S:g} s"
            raise click.ClickException(f"{why}; see `candlewick logs`")


def _watch(run: Story, until: float, *, closed: bool = False) -> None:
    # Shows candles as they close; `closed`: only until every outage's gap is closed.
    while time.monotonic() < until:
        row = run.readings.newest_closed(run.busy)
        if row is not None and row.start != run.shown:
            run.shown = row.start
            run.say(
                f"{run.busy} 10s {row.start:%H:%M:%S}  {row.open:g} {row.high:g} {row.low:g} {row.close:g}  "
                f"volume {row.volume:g}  {row.trade_count} trades  coverage {row.coverage:.0%}"
                + ("" if row.gap_cause == "none" else f"  [red]{row.gap_cause}[/red]")
            )
        if closed and (gaps := run.readings.outages(SOURCE)) and all(gap.to_us is not None for gap in gaps):
            return
        time.sleep(0.2)


def _tell_outage(run: Story) -> None:
    for gap in run.readings.outages(SOURCE):
        if gap.series == run.busy:
            begin = datetime.fromtimestamp(gap.from_us / 1e6, UTC)
            lasted = "lasting" if gap.to_us is None else f"{(gap.to_us - gap.from_us) / 1e6:.1f} s"
            run.say(f"[bold red]its gap is recorded:[/bold red] {gap.series} {gap.cause} from {begin:%H:%M:%S.%f} UTC, {lasted}")


def explain(run: Story, a: Account, memory_gb: float) -> None:
    """Say the account in words."""
    run.say(
        f"{a.trades_sent} trades sent = {a.trades_in_candles} in candles + {a.late} late + {a.dead_letters} dead letters + "
        f"{a.repeats_dropped} repeats + {a.lost_in_gaps} lost in gaps: "
        + ("[bold green]it balances[/bold green]" if a.balances else "[bold red]it does not balance[/bold red]")
    )
    run.say(f"{a.gaps_injected} outages made, {a.gaps_recorded} recorded; {a.candles_in_cassandra} candles in Cassandra")
    run.say(f"from the venue to a readable candle: median {a.latency_p50_ms} ms, 99 of 100 within {a.latency_p99_ms} ms")
    run.say(f"memory of servers and services: {memory_gb:.2f} GB")
