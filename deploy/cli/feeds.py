"""SHELL (terminal). `candlewick feeds check`: what of a configured provider works, before anything depends on it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from producer import logs
from producer.check import Finding, check_provider
from producer.providers import MODULES, module_of
from producer.settings import SettingsError, load

_MARKS = {True: "ok", False: "FAILED", None: "?"}


@click.group()
def feeds() -> None:
    """The providers whose data come in."""


@feeds.command("check")
@click.argument("providers", nargs=-1, type=click.Choice(list(MODULES)))
@click.option("--seconds", default=15.0, show_default=True, help="How long to listen for records of every symbol.")
def check(providers: tuple[str, ...], seconds: float) -> None:
    """Try credentials, symbols and history of PROVIDERS, by default of those whose settings are there; exit 1 on any failure.

    Nothing is written anywhere. Where a provider admits one connection a key, a producer that runs with it is disconnected; where
    it counts what is asked of the past, a candle or an hour of them is counted.
    """
    chosen = providers or tuple(name for name in MODULES if _is_configured(name))
    if not chosen:
        raise click.UsageError(f"no provider is configured: set the variables of {', '.join(MODULES)}, or name one")
    failed = False
    for name in chosen:
        for finding in _findings(name, seconds):
            failed |= finding.ok is False
            click.echo(f"{name:10} {_MARKS[finding.ok]:7} {finding.what}: {finding.detail}")
    if failed:
        raise SystemExit(1)


def _is_configured(name: str) -> bool:
    prefix = module_of(name).SETTINGS.model_config.get("env_prefix", "")
    return any(variable.startswith(prefix) for variable in os.environ)


def _findings(name: str, seconds: float) -> Iterator[Finding]:
    try:
        provider = module_of(name).build(load(kafka="", registry=""))
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    logs.configure(provider.secrets)  # to stderr, beside the findings
    yield from check_provider(provider, seconds)
