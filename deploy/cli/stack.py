"""SHELL (terminal). The local stack's commands: up, down, status, logs, reset."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

import click
import psutil
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from deploy.cli.targets import home_option, refuse_unknown_settings, stack_of
from deploy.local import processes
from deploy.local.artifacts import DownloadError
from deploy.local.pins import RELEASES
from deploy.local.stack import NAMES, Addresses, Stack
from deploy.local.start import Report, StackError

TITLES = {"kafka": "Kafka", "registry": "Apicurio Registry", "cassandra": "Cassandra"}


@click.command()
@home_option
def up(home: Path) -> None:
    """Start Kafka, the schema registry and Cassandra on this machine; what runs already is left alone."""
    refuse_unknown_settings()
    started = time.monotonic()
    bring_up(stack_of(home))
    click.echo(f"the stack is up after {time.monotonic() - started:.1f} s; its addresses are in {home / 'stack.json'}")


@click.command()
@home_option
def down(home: Path) -> None:
    """Stop the services, then the servers; no process is left, the data stays."""
    from deploy.local.supervisor import stop_recorded

    stopped = stop_recorded(home) + stack_of(home).down()
    click.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@click.command()
@home_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(home: Path, yes: bool) -> None:
    """Stop everything and delete topics, schemas, tables and logs of this home. Downloads stay."""
    from deploy.local.supervisor import stop_recorded

    if not yes:
        click.confirm(f"Delete all data of the stack in {home}?", abort=True)
    stop_recorded(home)
    stack_of(home).reset()
    click.echo(f"{home} is empty")


@click.command()
@home_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def status(home: Path, as_json: bool) -> None:
    """Show what runs, where it listens, for how long, and how much memory it takes. Exit status 1 when not all runs."""
    from deploy.local.supervisor import recorded

    rows = [_row(name, "server", p) for name, p in _servers(stack_of(home)).items()]
    rows += [_row(s.name, "service", s.process, s.state, s.restarts) for s in recorded(home)]
    if as_json:
        click.echo(json.dumps({"home": str(home), "processes": rows}))
    else:
        Console().print(_table(rows))
    if any(row["state"] != "running" for row in rows):
        raise SystemExit(1)


@click.command()
@home_option
@click.argument("name", required=False, metavar="[SERVICE]")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is added, until Ctrl-C.")
@click.option("-n", "--lines", default=50, show_default=True, help="Lines of each log to begin with.")
def logs(home: Path, name: str | None, follow: bool, lines: int) -> None:
    """Print the end of the logs of all servers and services, or of one."""
    files = {f.stem: f for f in sorted(stack_of(home).logs.glob("*.log"))}
    if name is not None and name not in files:
        raise click.ClickException(f"there is no log of {name}; there are: {', '.join(files) or 'none'}")
    chosen = {n: f for n, f in files.items() if name in (None, n)}
    width = max(map(len, chosen), default=0)
    ends = {n: _print_tail(n.ljust(width) if name is None else "", f, lines) for n, f in chosen.items()}
    with suppress(KeyboardInterrupt):
        while follow:
            for n, f in chosen.items():
                ends[n] = _print_added(n.ljust(width) if name is None else "", f, ends[n])
            time.sleep(0.2)


def bring_up(stack: Stack) -> Addresses:
    """Start the stack and say on the terminal what happens.

    Raises:
        click.ClickException: it does not start; the message says why.
    """
    console = Console(stderr=True, highlight=False)
    try:
        with _reporting(console) as report:
            return stack.up(report)
    except (DownloadError, StackError) as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _reporting(console: Console) -> Iterator[Report]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console)
    tasks: dict[str, TaskID] = {}
    lock = Lock()

    def downloading(todo: dict[str, int]) -> None:
        console.print(f"downloading {sum(todo.values()) / 1e6:.0f} MB, once for all stacks of this project")
        for server, size in todo.items():
            tasks[server] = progress.add_task(f"{TITLES[server]} {RELEASES[server]}", total=size)
        progress.start()

    def say(line: str) -> None:
        with lock:
            if progress.live.is_started:
                progress.stop()
            console.print(line)

    def ready(server: str, seconds: float, before: bool) -> None:
        took = "was running" if before else f"ready after {seconds:.1f} s"
        say(f"{TITLES[server]} {RELEASES[server]} {took}")

    try:
        yield Report(
            downloading=downloading,
            arrived=lambda server, size: progress.advance(tasks[server], size),
            starting=lambda server: say(f"{TITLES[server]} {RELEASES[server]} starts"),
            ready=ready,
            moved=lambda name, port, used: say(f"port {port} ({name}) is busy; using {used}"),
        )
    finally:
        if progress.live.is_started:
            progress.stop()


def _servers(stack: Stack) -> dict[str, processes.Process | None]:
    alive = stack.running()
    return {name: alive.get(name) for name in NAMES}


def _row(
    name: str, kind: str, process: processes.Process | None, state: str | None = None, restarts: int = 0
) -> dict[str, object]:
    live = processes.running(process) if process else None
    if process is None or live is None:
        gone = state if state not in (None, "running") else "stopped"
        return {"name": name, "kind": kind, "state": gone, "pid": None, "ports": {}, "uptime_s": None} | {
            "restarts": restarts,
            "memory_mb": None,
        }
    return {
        "name": name,
        "kind": kind,
        "state": state or "running",
        "pid": process.pid,
        "ports": process.ports,
        "uptime_s": round(time.time() - process.started, 1),
        "restarts": restarts,
        "memory_mb": _memory_mb(live),
    }


def _memory_mb(process: psutil.Process) -> float | None:
    try:
        return round(process.memory_info().rss / 1e6, 1)
    except psutil.NoSuchProcess:
        return None


def _table(rows: list[dict[str, object]]) -> Table:
    table = Table("name", "state", "pid", "ports", "uptime", "restarts", "memory MB", box=None, pad_edge=False)
    for row in rows:
        ports = row["ports"]
        assert isinstance(ports, dict)
        shown = " ".join(f"{name}={port}" for name, port in ports.items())
        uptime = row["uptime_s"]
        cells = (row["name"], row["state"], row["pid"] or "", shown, "" if uptime is None else f"{uptime} s")
        table.add_row(*map(str, cells), str(row["restarts"]), str(row["memory_mb"] or ""))
    return table


def _print_tail(label: str, file: Path, lines: int) -> int:
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - 500 * lines))
        text = content.read()
        _print_lines(label, text.decode(errors="replace").splitlines()[-lines:] if lines else [])
        return content.tell()


def _print_added(label: str, file: Path, position: int) -> int:
    size = file.stat().st_size
    with file.open("rb") as content:
        content.seek(position if size >= position else 0)  # shorter: it was put aside and begun anew
        text = content.read()
    whole = text.rfind(b"\n") + 1
    _print_lines(label, text[:whole].decode(errors="replace").splitlines())
    return (position if size >= position else 0) + whole


def _print_lines(label: str, lines: list[str]) -> None:
    for line in lines:
        click.echo(f"{label} | {line}" if label else line)
