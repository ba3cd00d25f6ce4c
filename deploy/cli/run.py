"""SHELL (processes, terminal). `candlewick run`: the local stack and the services, under one supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from deploy.cli.contract import apply_contract
from deploy.cli.settings import deploy_settings
from deploy.cli.stack import bring_up
from deploy.cli.store import apply as apply_store
from deploy.cli.targets import Targets, home_option, stack_of
from deploy.local import ports, processes
from deploy.local.stack import Stack
from deploy.local.supervisor import ENDED, Service, Status, Supervisor, claim, recorded, supervising, unclaim
from producer.providers import MODULES, module_of
from producer.settings import SettingsError, load

METRICS = {"producer": 9101, "processor": 9102, "sink": 9103}  # our choice; a busy one is replaced, `candlewick status` tells
SERVING_S = 60.0


@click.command()
@home_option
@click.option(
    "--feeds",
    type=click.Choice([*MODULES, "none"]),
    default="finnhub",
    show_default=True,
    help="none: no producer; for replays.",
)
@click.option("--detach", is_flag=True, help="Return when all serve; `candlewick down` stops them.")
@click.pass_context
def run(context: click.Context, home: Path, feeds: str, detach: bool) -> None:
    """Start the stack, make topics, schemas and tables, and keep the services running until Ctrl-C or SIGTERM.

    A service that ends is started again, later each time. What this command started it stops: producer, processor, sink,
    then the servers unless they ran before.
    """
    settings = deploy_settings()
    if feeds != "none":
        _check_settings(feeds)
    if (other := supervising(home)) is not None:
        raise click.ClickException(f"services of {home} run already (process {other.pid}): `candlewick down`, or another --home")
    stack = stack_of(home)
    with _terminated_as_interrupted(), _stopping_what_was_not_there(stack, keep=detach):
        where = Targets(**vars(bring_up(stack)))
        apply_contract(where, settings)
        context.invoke(apply_store, home=home)
        if detach:
            _detach(home, feeds)
        else:
            _supervise(home, _services(where, feeds, home))


def _check_settings(feeds: str) -> None:
    try:
        module_of(feeds).build(load(kafka="", registry=""))  # connects to nothing; the stack's own addresses come later
    except SettingsError as error:
        raise click.UsageError(f"{error}; --feeds none runs without a feed") from error


def _services(where: Targets, feeds: str, home: Path) -> list[Service]:
    chosen = ports.choose(METRICS)
    modules = {"processor": ["processor"], "sink": ["sink"]}
    if feeds != "none":
        modules = {"producer": ["producer", feeds], **modules}  # stopped in this order
    return [
        Service(
            name,
            [sys.executable, "-m", *module],
            {**where.env(), "CANDLEWICK_HOME": str(home), "CANDLEWICK_METRICS_PORT": str(chosen[name])},
            {"metrics": chosen[name]},
        )
        for name, module in modules.items()
    ]


def _supervise(home: Path, services: list[Service]) -> None:
    claim(home)
    try:
        with Supervisor(home, services, _say) as supervisor, contextlib.suppress(KeyboardInterrupt):
            click.echo(f"logs are in {home / 'logs'}; `candlewick status` shows ports, restarts and memory", err=True)
            supervisor.wait(lambda statuses: any(s.state in ENDED for s in statuses))
            refused = [s.name for s in supervisor.statuses() if s.state in ENDED]
            raise click.ClickException(f"{', '.join(refused)} refused to start; see {home / 'logs' / f'{refused[0]}.log'}")
    finally:
        unclaim(home)


def _say(status: Status) -> None:
    line = f"{time.strftime('%H:%M:%S')} {status.name} {status.state}"
    if status.process:
        line += f", pid {status.process.pid}, metrics on port {status.process.ports['metrics']}"
    if status.state == "waiting":
        line += f": ended with status {status.exit_status}, starts again in {status.delay_s:g} s"
    click.echo(line, err=True)


def _detach(home: Path, feeds: str) -> None:
    command = [sys.executable, "-c", "from deploy.cli.main import main; main()", "run", "--feeds", feeds, "--home", str(home)]
    process, child = processes.start("supervisor", command, home / "logs" / "supervisor.log", os.environ)
    limit = time.monotonic() + SERVING_S
    try:
        while not _serving(home):
            if processes.running(process) is None or time.monotonic() > limit:
                raise click.ClickException(f"the services do not serve; see the logs in {home / 'logs'}")
            time.sleep(0.2)
    except BaseException:
        processes.stop([process])
        raise
    child.returncode = 0  # it goes on without us
    click.echo(f"the services run in the background; `candlewick status`, `candlewick logs -f`, `candlewick down` (home {home})")


def _serving(home: Path) -> bool:
    statuses = recorded(home)
    running = [s.process for s in statuses if s.process]
    return bool(statuses) and len(running) == len(statuses) and all(ports.listening(p.ports["metrics"]) for p in running)


@contextlib.contextmanager
def _stopping_what_was_not_there(stack: Stack, keep: bool) -> Iterator[None]:
    before = set(stack.running())
    try:
        yield
    except BaseException:
        keep = False
        raise
    finally:
        if not before and not keep:
            stack.down()


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    # SIGTERM is a Ctrl-C without a terminal.
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
