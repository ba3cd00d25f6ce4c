"""SHELL (terminal). The `candlewick` command: a table of commands, each loaded only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

COMMANDS: dict[str, str] = {
    "feeds": "deploy.cli.feeds:feeds",
    "replay": "deploy.cli.replay:replay",
    "run": "deploy.cli.run:run",
    "schemas": "deploy.cli.contract:schemas",
    "topics": "deploy.cli.contract:topics",
    "reset": "deploy.cli.stack:reset",
    "logs": "deploy.cli.stack:logs",
    "status": "deploy.cli.stack:status",
    "down": "deploy.cli.stack:down",
    "up": "deploy.cli.stack:up",
    "candles": "deploy.cli.read:candles",
    "gaps": "deploy.cli.read:gaps",
    "store": "deploy.cli.store:store",
    "retention": "deploy.cli.retention:retention",
    "audit": "deploy.cli.audit:audit",
    "rebuild": "deploy.cli.audit:rebuild",
    "dead-letters": "deploy.cli.dead_letters:dead_letters",
    "watch": "deploy.cli.watch:watch",
    "console": "deploy.cli.console:console",
    "certificates": "deploy.cli.certificates:certificates",
    "demo": "deploy.cli.demo:demo",
}
"""Command name -> "module:function", where function is a click command or group."""


class LazyGroup(click.Group):
    """Loads a command's module when the command is used, so that `candlewick --help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command, or None where there is no such."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: Any = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=LazyGroup)
@click.version_option(package_name="candlewick")
def main() -> None:
    """Candles you can trust: run the pipeline and read what it knows."""
