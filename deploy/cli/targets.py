"""SHELL (environment, files). Where the servers are that a command speaks to: the environment says it, or the stack's file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

import deploy
from deploy.local.stack import Stack
from schemas import environment

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Targets:
    """Addresses: ``host:port[,host:port]`` of Kafka and Cassandra, the registry's URL."""

    kafka: str
    registry: str
    cassandra: str

    def env(self) -> dict[str, str]:
        """Return the settings by which services find these servers."""
        return {f"{environment.PREFIX}{name.upper()}": value for name, value in vars(self).items()}


def home_option(command: F) -> F:
    """Give a command the option ``--home``, passed on as `home`, a Path."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        callback=lambda _ctx, _param, value: home_folder(value),
        help="Folder of the local stack; CANDLEWICK_HOME, else .candlewick here.",
    )(command)


def home_folder(home: Path | None = None) -> Path:
    """Return the home to use, as an absolute path: `home`, else CANDLEWICK_HOME, else ``.candlewick`` in the current folder."""
    return Path(home or os.environ.get("CANDLEWICK_HOME") or ".candlewick").resolve()


def artifacts_folder() -> Path:
    """Return where downloaded servers are kept for all homes: CANDLEWICK_ARTIFACTS, else the project's ``.candlewick/artifacts``.

    Installed from a wheel there is no project, and the current folder takes its place.
    """
    if named := os.environ.get("CANDLEWICK_ARTIFACTS"):
        return Path(named).resolve()
    project = Path(deploy.__file__).resolve().parents[1]
    root = project if (project / "pyproject.toml").exists() else Path.cwd()
    return root / ".candlewick" / "artifacts"


def stack_of(home: Path | None = None) -> Stack:
    """Return the local stack of a home (see `home_folder`), running or not."""
    return Stack(home_folder(home), artifacts_folder())


def targets(home: Path | None = None) -> Targets:
    """Return the servers' addresses: each from its CANDLEWICK_ variable, else from the home's ``stack.json``.

    Raises:
        click.ClickException: neither says it, or a CANDLEWICK_ variable is unknown.
    """
    refuse_unknown_settings()
    file = home_folder(home) / "stack.json"
    try:
        found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = {}
    for name in Targets.__dataclass_fields__:
        found[name] = os.environ.get(f"{environment.PREFIX}{name.upper()}") or found.get(name, "")
    if absent := sorted(name for name, value in found.items() if not value):
        variables = ", ".join(f"{environment.PREFIX}{name.upper()}" for name in absent)
        raise click.ClickException(f"no stack runs in {file.parent}: start one with `candlewick up`, or set {variables}")
    return Targets(**found)


def refuse_unknown_settings() -> None:
    """Stop at a CANDLEWICK_ variable that no service knows: a misspelt setting must not be silently without effect.

    Raises:
        click.UsageError: exit status 2.
    """
    if unknown := environment.unknown(os.environ):
        raise click.UsageError(f"unknown setting {', '.join(unknown)}: see the README's table of settings")
