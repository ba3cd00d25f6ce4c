"""SHELL (processes, terminal). `candlewick demo`: the whole pipeline on simulated venues, and its account at the end."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from deploy.cassandra.connect import connected
from deploy.cli import demo_corner
from deploy.cli.account import Account
from deploy.cli.demo_feeds import FEEDS, Feed, chosen
from deploy.cli.demo_settle import settle
from deploy.cli.demo_story import Story, explain, tell
from deploy.cli.readings import Readings, Sampler
from deploy.cli.stack import bring_up
from deploy.cli.targets import Targets, home_option, stack_of
from deploy.cli.venue import Venue
from deploy.console.account import forget, leave
from deploy.local import ports
from deploy.local.processes import running
from deploy.local.stack import Addresses, Stack
from deploy.local.supervisor import Service, Supervisor, claim, recorded, supervising, unclaim

SHORTEST_S = 20
"""Below this there is no room for an outage between the first candle and the end."""


@click.command()
@home_option
@click.option("--seconds", envvar="DEMO_SECONDS", type=click.IntRange(min=SHORTEST_S), help="End by itself; else at Ctrl-C.")
@click.option(
    "--feeds",
    envvar="DEMO_FEEDS",
    default="finnhub",
    show_default=True,
    callback=lambda _ctx, _param, value: _feeds(value),
    help=f"One or several of {', '.join(FEEDS)}, separated by commas: each on a simulator of its own.",
)
@click.option(
    "--history-days",
    envvar="DEMO_HISTORY_DAYS",
    type=click.IntRange(0, 30),
    default=0,
    show_default=True,
    help="Days of the vendors' candles loaded before live; the first live candles wait for them on a slow machine.",
)
def demo(home: Path, seconds: int | None, feeds: list[Feed], history_days: int) -> None:
    """Show everything: a real stack, simulated venues, the services, a live page, an outage, and an account at the end.

    The last line printed is the account in JSON; the exit status is 0 only if it adds up. What is started is stopped.
    """
    began = time.monotonic()
    console = Console(stderr=True, highlight=False)

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {text}", soft_wrap=True)

    if (other := supervising(home)) is not None:
        raise click.ClickException(f"services of {home} run already (process {other.pid}); `candlewick down`, or another --home")
    stack = stack_of(home)
    with _interrupted_by_term(), _running(stack, say) as servers:
        demo_corner.make(servers)
        say("topics, schemas and tables are ready")
        account = _show(home, servers, feeds, seconds, history_days, began, say)
    click.echo(account.line())
    sys.exit(0 if account.balances else 1)


def _feeds(value: str) -> list[Feed]:
    try:
        return chosen(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _show(
    home: Path,
    servers: Addresses,
    feeds: list[Feed],
    seconds: int | None,
    history_days: int,
    began: float,
    say: Callable[[str], None],
) -> Account:
    sources = [feed.source for feed in feeds]
    chosen_ports = ports.choose(
        {"page": 8800, "processor": 0, **{f"{kind}-{source}": 0 for kind in ("simulator", "producer") for source in sources}}
    )
    venues = [Venue(feed, chosen_ports[f"simulator-{feed.source}"]) for feed in feeds]
    metrics = {source: chosen_ports[f"producer-{source}"] for source in sources}
    claim(home)
    forget(home)
    try:
        with (
            Supervisor(home, _services(home, servers, venues, metrics, chosen_ports, history_days)) as supervisor,
            connected(servers.cassandra) as session,
        ):
            page = f"http://{ports.LOOPBACK}:{chosen_ports['page']}/"
            say(f"services start; the live page is [bold]{page}[/bold], logs are in {home / 'logs'}")
            readings = Readings(session, demo_corner.KEYSPACE, [t.name for t in demo_corner.TIMEFRAMES])
            story = Story(venues, readings, say, began, supervisor)
            with Sampler(readings, story.busy) as sampler:
                with contextlib.suppress(KeyboardInterrupt):  # the reader has seen enough: the account comes now
                    tell(story, sampler, seconds)
                memory_gb = _memory_gb(home)
                say("nothing happens on the market any more; waiting until everything is written")
                for venue in venues:
                    venue.pause()
                account = settle(story, sampler, Targets(**vars(servers)), metrics)
            leave(home, asdict(account), balances=account.balances)  # the page shows it
            explain(story, account, memory_gb)
            say("stopping the services")
    finally:
        unclaim(home)
    return account


def _services(
    home: Path,
    servers: Addresses,
    venues: list[Venue],
    metrics: dict[str, int],
    chosen_ports: dict[str, int],
    history_days: int,
) -> list[Service]:
    shared = {
        **Targets(**vars(servers)).env(),
        "CANDLEWICK_HOME": str(home),
        "CANDLEWICK_TOPIC_PREFIX": demo_corner.PREFIX,
        "CANDLEWICK_KEYSPACE": demo_corner.KEYSPACE,
        "CANDLEWICK_TIMEFRAMES": ",".join(t.name for t in demo_corner.TIMEFRAMES),
        "CANDLEWICK_METRICS_PORT": "0",
        "CANDLEWICK_BOOTSTRAP_DAYS": str(history_days),
    }
    python = sys.executable
    page_port, processor_port = chosen_ports["page"], chosen_ports["processor"]
    told_by = f"http://{ports.LOOPBACK}:{processor_port}"
    page = [str(Path(python).parent / "candlewick"), "console", "--port", str(page_port), "--processor", told_by]
    processor = {**shared, "CANDLEWICK_METRICS_PORT": str(processor_port)}
    producers = [
        Service(
            f"producer-{source}",
            [python, "-m", "producer", source],
            {**shared, **venue.settings, "CANDLEWICK_METRICS_PORT": str(metrics[source])},
            {"metrics": metrics[source]},
        )
        for venue in venues
        for source in [venue.feed.source]
    ]
    return [  # stopped in this order
        *producers,
        Service("processor", [python, "-m", "processor"], processor, {"metrics": processor_port}),
        Service("sink", [python, "-m", "sink"], shared),
        Service("console", page, shared, {"page": page_port}),
        *(Service(f"simulator-{venue.feed.source}", venue.command, shared, {"simulator": venue.port}) for venue in venues),
    ]


def _memory_gb(home: Path) -> float:
    known = [*stack_of(home).running().values(), *(s.process for s in recorded(home) if s.process)]
    live = (running(process) for process in known)
    return sum(process.memory_info().rss for process in live if process is not None) / 1e9


@contextlib.contextmanager
def _running(stack: Stack, say: Callable[[str], None]) -> Iterator[Addresses]:
    # What ran before the demo goes on after it; what the demo started it stops, also half-way through starting.
    before = set(stack.running())
    try:
        servers = bring_up(stack)
        say("the stack is ready: Kafka, registry, Cassandra")
        yield servers
        demo_corner.remove(servers)
    finally:
        if not before:
            stack.down()


@contextlib.contextmanager
def _interrupted_by_term() -> Iterator[None]:
    # SIGTERM ends the demo as Ctrl-C does.
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
