"""SHELL (terminal). The demo's story: candles close before the reader's eyes, the line drops, the gap is recorded and filled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from deploy.cli.account import Account, Outage
from deploy.cli.demo_timing import OUTAGE_S, filled_by, outage_in
from deploy.cli.readings import Readings, Sampler
from deploy.cli.venue import Venue
from deploy.local.supervisor import Supervisor

FIRST_CANDLE_S = 120.0
GAP_CLOSED_S = 60.0
OVERTIME_S = 15.0
"""How long a demo of a given duration goes on to show a gap filled that is due to be (our choice)."""


@dataclass
class Story:
    """What the demo knows while it runs. The busiest series of the first venue is the one that is watched."""

    venues: Sequence[Venue]
    readings: Readings
    say: Callable[[str], None]
    began: float
    supervisor: Supervisor
    injected: int = 0
    """Outages made of each source."""
    first_candle_s: float | None = None
    shown: datetime | None = None
    answered: set[tuple[str, int]] = field(default_factory=set)

    @property
    def busy(self) -> str:
        """The series that is watched."""
        return self.venues[0].feed.busy_series

    def outages(self) -> dict[str, list[Outage]]:
        """Return the recorded outages by source."""
        return {venue.feed.source: self.readings.outages(venue.feed.source) for venue in self.venues}


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
    _watch(run, started + outage_in(time.time(), seconds))
    for venue in run.venues:
        venue.drop(OUTAGE_S)
    run.injected += 1
    cut = "the venue drops the line and refuses it" if len(run.venues) == 1 else "the venues drop their lines and refuse them"
    run.say(f"[bold red]outage:[/bold red] {cut} for {OUTAGE_S:g} s")
    _watch(run, time.monotonic() + OUTAGE_S)
    _watch(run, time.monotonic() + GAP_CLOSED_S, lambda gaps: all(gap.to_us is not None for gap in gaps))
    _tell_outages(run)
    _watch(run, float("inf") if seconds is None else started + seconds)
    due_s = filled_by(max((gap.to_us or 0 for found in run.outages().values() for gap in found), default=0) / 1e6) - time.time()
    _watch(run, time.monotonic() + (due_s if due_s < OVERTIME_S else 0.0), lambda gaps: all(_is_answered(gap) for gap in gaps))


def _await_first_candle(run: Story, sampler: Sampler) -> None:
    deadline = time.monotonic() + FIRST_CANDLE_S
    while not sampler.first.wait(0.1):
        ended = [s.name for s in run.supervisor.statuses() if s.state in ("refused", "finished")]
        if ended or time.monotonic() > deadline:
            why = f"{ended[0]} has ended" if ended else f"no candle reached Cassandra within {FIRST_CANDLE_S:g} s"
            raise click.ClickException(f"{why}; see `candlewick logs`")


def _watch(run: Story, until: float, enough: Callable[[list[Outage]], bool] | None = None) -> None:
    # Shows candles as they close, and answers to gaps; with `enough` only until every source's outages are so.
    while time.monotonic() < until:
        row = run.readings.newest_closed(run.busy)
        if row is not None and row.start != run.shown:
            run.shown = row.start
            run.say(_line(run.busy, row))
        gaps = run.outages() if run.injected else {}
        _tell_answers(run, gaps)
        if enough is not None and all(found and enough(found) for found in gaps.values()):
            return
        time.sleep(0.2)


def _line(series: str, row: Any) -> str:
    records = f"{row.trade_count} trades" if row.trade_count else f"{row.update_count} quotes"
    return (
        f"{series} 10s {row.start:%H:%M:%S}  {row.open:g} {row.high:g} {row.low:g} {row.close:g}  "
        f"volume {row.volume:g}  {records}  coverage {row.coverage:.0%}"
        + ("" if row.gap_cause == "none" else f"  [red]{row.gap_cause}[/red]")
    )


def _tell_outages(run: Story) -> None:
    for venue in run.venues:
        for gap in run.readings.outages(venue.feed.source):
            if gap.series == venue.feed.busy_series:
                begin = datetime.fromtimestamp(gap.from_us / 1e6, UTC)
                lasted = "lasting" if gap.to_us is None else f"{(gap.to_us - gap.from_us) / 1e6:.1f} s"
                run.say(
                    f"[bold red]its gap is recorded:[/bold red] {gap.series} {gap.cause} from {begin:%H:%M:%S.%f} UTC, {lasted}"
                )


def _tell_answers(run: Story, gaps: dict[str, list[Outage]]) -> None:
    # Once for each outage of a source, when the gaps of all its series are answered.
    for source, found in gaps.items():
        for from_us in {gap.from_us for gap in found} - {told for of, told in run.answered if of == source}:
            of_outage = [gap for gap in found if gap.from_us == from_us]
            if not all(_is_answered(gap) for gap in of_outage):
                continue
            run.answered.add((source, from_us))
            after_s = time.time() - max(gap.to_us or 0 for gap in of_outage) / 1e6
            if all(gap.state == "filled" for gap in of_outage):
                since = f"{after_s:.1f} s after the line was back"
                run.say(f"[bold green]the gaps of {source} are filled[/bold green] from its history, {since}")
            else:
                named = ", ".join(sorted(gap.series for gap in of_outage if gap.state != "filled"))
                run.say(f"{source} cannot fill the gaps of {named}; `candlewick gaps` says why")


def _is_answered(gap: Outage) -> bool:
    return gap.state in ("filled", "unfillable")


def explain(run: Story, a: Account, memory_gb: float) -> None:
    """Say the account in words."""
    for source, b in a.sources.items():
        run.say(
            f"{source}: {b.sent} {b.kind} sent = {b.in_candles} in candles + {b.late} late + {b.dead_letters} dead letters + "
            f"{b.repeats_dropped} repeats + {b.lost_in_gaps} lost in gaps: "
            + ("[bold green]it balances[/bold green]" if b.balances else "[bold red]it does not balance[/bold red]")
        )
        run.say(f"{source}: {b.gaps_injected} outages made, {b.gaps_recorded} recorded, {b.gaps_filled} filled from its history")
    run.say(f"{a.candles_in_cassandra} candles in Cassandra")
    run.say(f"from the venue to a readable candle: median {a.latency_p50_ms} ms, 99 of 100 within {a.latency_p99_ms} ms")
    run.say(f"memory of servers and services: {memory_gb:.2f} GB")
