"""SHELL (processes, terminal). `candlewick demo`: the whole pipeline on a simulated venue, and its account at the end."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console

from deploy.cassandra.connect import connected
from deploy.cli import demo_corner
from deploy.cli.account import Account
from deploy.cli.demo_settle import settle
from deploy.cli.demo_story import Story, explain, tell
from deploy.cli.readings import Readings, Sampler
from deploy.cli.stack import bring_up
from deploy.cli.targets import Targets, home_option, stack_of
from deploy.cli.venue import SOURCE, TOKEN, Venue
from deploy.local import ports
from deploy.local.processes import running
from deploy.local.stack import Addresses, Stack
from deploy.local.supervisor import Service, Supervisor, claim, recorded, supervising, unclaim

SHORTEST_S = 20
"""Below this there is no room for an outage between the first candle and the end."""


@click.command()
@home_option
@click.option("--seconds", envvar="DEMO_SECONDS", type=click.IntRange(min=SHORTEST_S), help="End by itself; else at Ctrl-C.")
def demo(home: Path, seconds: int | None) -> None:
    """Show everything: a real stack, a simulated venue, the services, a live page, an outage, and an account at the end.

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
        account = _show(home, servers, seconds, began, say)
    click.echo(account.line())
    sys.exit(0 if account.balances else 1)


def _show(home: Path, servers: Addresses, seconds: int | None, began: float, say: Callable[[str], None]) -> Account:
    chosen = ports.choose({"simulator": 0, "page": 8800, "metrics": 0})
    services = _services(home, servers, chosen)
    claim(home)
    try:
        with Supervisor(home, services) as supervisor, connected(servers.cassandra) as session:
            page = f"http://{ports.LOOPBACK}:{chosen['page']}/"
            say(f"services start; the live page is [bold]{page}[/bold], logs are in {home / 'logs'}")
            readings = Readings(session, demo_corner.KEYSPACE, [t.name for t in demo_corner.TIMEFRAMES])
            story = Story(Venue(chosen["simulator"]), readings, say, f"{SOURCE}:{Venue.BUSY}", began, supervisor)
            with Sampler(readings, story.busy) as sampler:
                with contextlib.suppress(KeyboardInterrupt):  # the reader has seen enough: the account comes now
                    tell(story, sampler, seconds)
                memory_gb = _memory_gb(home)
                say("the venue falls silent; waiting until everything is written")
                story.venue.pause()
                account = settle(story, sampler, Targets(**vars(servers)), chosen["metrics"])
            explain(story, account, memory_gb)
            say("stopping the services")
    finally:
        unclaim(home)
    return account


def _services(home: Path, servers: Addresses, chosen: dict[str, int]) -> list[Service]:
    shared = {
        **Targets(**vars(servers)).env(),
        "CANDLEWICK_HOME": str(home),
        "CANDLEWICK_TOPIC_PREFIX": demo_corner.PREFIX,
        "CANDLEWICK_KEYSPACE": demo_corner.KEYSPACE,
        "CANDLEWICK_TIMEFRAMES": ",".join(t.name for t in demo_corner.TIMEFRAMES),
        "CANDLEWICK_METRICS_PORT": "0",
    }
    finnhub = {
        "FINNHUB_URL": f"ws://{ports.LOOPBACK}:{chosen['simulator']}",
        "FINNHUB_TOKEN": TOKEN,
        "FINNHUB_SYMBOLS": ",".join(Venue.SYMBOLS),
        "CANDLEWICK_METRICS_PORT": str(chosen["metrics"]),
    }
    python = sys.executable
    page = [str(Path(python).parent / "candlewick"), "console", "--port", str(chosen["page"])]
    return [  # stopped in this order
        Service("producer", [python, "-m", "producer", "finnhub"], shared | finnhub, {"metrics": chosen["metrics"]}),
        Service("processor", [python, "-m", "processor"], shared),
        Service("sink", [python, "-m", "sink"], shared),
        Service("console", page, shared, {"page": chosen["page"]}),
        Service("simulator", Venue.command(chosen["simulator"]), shared, {"simulator": chosen["simulator"]}),
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
