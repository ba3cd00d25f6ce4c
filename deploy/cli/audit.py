"""SHELL (terminal). `candlewick audit` and `candlewick rebuild`: is what is out what the input makes of it?"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic import ValidationError

from deploy.cli.audit_store import Store
from deploy.cli.read import Moment, reading
from deploy.cli.targets import home_option, targets
from processor.audit.account import Report
from processor.audit.publish import PublishError, publish
from processor.audit.reader import Reader, ReadError
from processor.audit.repair import repairs
from processor.audit.run import audit as run_audit
from processor.audit.span import Question, Span
from processor.audit.telling import as_object, line_of, lines_of
from processor.core.timeline import BEFORE, FOREVER
from processor.settings import Settings
from schemas import environment
from schemas.registry import Registry, RegistryError

F = TypeVar("F", bound=Callable[..., Any])


def _question(command: F) -> F:
    options = (
        click.argument("series", nargs=-1),
        click.option("--from", "from_us", type=Moment(), default=BEFORE, help="First moment: milliseconds or ISO, UTC."),
        click.option("--to", "to_us", type=Moment(), default=FOREVER, help="End (exclusive)."),
        click.option("--series", "more_series", multiple=True, help="A series, as an argument is."),
        click.option("--timeframe", "names", multiple=True, help="Only these timeframes; the account needs 1m."),
        click.option("--kafka-only", is_flag=True, help="Leave Cassandra out."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines."),
        click.option("--limit", default=100, show_default=True, type=click.IntRange(min=0), help="Differences shown at most."),
        home_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_question
@click.pass_context
def audit(context: click.Context, /, *, as_json: bool, limit: int, **asked: Any) -> None:
    """Read trades, quotes, feed status and history again, and compare what they make with every candle and gap of SERIES.

    Compared are the highest versions in Kafka and the rows in Cassandra, in all content: prices, counts, coverage, fingerprint,
    version. Printed are each difference and the account of every trade record. Needs the processor's own settings
    (CANDLEWICK_TIMEFRAMES, _QUOTE_PRICES, _LATENESS_MS, ...). Only what retention has left whole can be checked; the rest is
    counted. Exit status: 0 nothing differs, 1 something does, 2 wrong arguments.
    """
    with _asking(**asked) as (_, report):
        _tell(report, as_json, limit)
    context.exit(0 if report.clean else 1)


@click.command()
@_question
@click.option("--generation", type=click.IntRange(min=1), help="Generation of what is published; the newest seen + 1.")
@click.option("--dry-run", is_flag=True, help="Print what would be published.")
@click.pass_context
def rebuild(context: click.Context, /, *, as_json: bool, limit: int, generation: int | None, dry_run: bool, **asked: Any) -> None:
    """Publish again every candle and gap of SERIES that an audit finds wrong or missing, made from the input.

    For repairs after a fault only: candles go out as revised, reason rebuild, under a raised generation, so that they outweigh
    whatever is out. From then on later corrections of the same windows need that generation too. Stop no service for it.
    Exit status: 0 all is mended, 1 something cannot be, 2 wrong arguments.
    """
    with _asking(**asked) as (shell, report):
        wanted = report.generation + 1 if generation is None else generation
        if wanted <= report.generation:
            raise click.UsageError(f"--generation {wanted} does not outweigh {report.generation}, which is out")
        mended, left = repairs(report.differences, wanted, time.time_ns() // 1000)
        if not dry_run and mended:
            try:
                publish(mended, shell.settings, shell.registry)
            except (PublishError, RegistryError) as error:
                raise click.ClickException(str(error)) from error
    if as_json:
        told = {"published": 0 if dry_run else len(mended), "would_publish": len(mended), "left": [line_of(d) for d, _ in left]}
        click.echo(json.dumps({**as_object(report, limit), **told, "generation": wanted}))
    else:
        for difference in report.differences[:limit]:
            click.echo(line_of(difference))
        for difference, why in left[:limit]:
            click.echo(f"cannot be mended: {line_of(difference)}: {why}", err=True)
        verb = "would be published" if dry_run else "published"
        click.echo(f"{len(mended)} {verb} under generation {wanted}, {len(left)} cannot be mended")
    context.exit(1 if left else 0)


class _Shell:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registry = Registry(settings.registry, settings.registry_ca_file)


@contextmanager
def _asking(
    *,
    series: tuple[str, ...],
    more_series: tuple[str, ...],
    from_us: int,
    to_us: int,
    names: tuple[str, ...],
    kafka_only: bool,
    home: Path,
) -> Iterator[tuple[_Shell, Report]]:
    """Yield the report, with what it takes to publish."""
    if from_us >= to_us:
        raise click.UsageError("--from has to lie before --to")
    servers = targets(home)
    try:
        settings = Settings(kafka=servers.kafka, registry=servers.registry)
    except ValidationError as error:
        lines = [f"{environment.PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise click.UsageError("; ".join(lines)) from None
    known = {t.name: t for t in settings.timeframes}
    if strange := [n for n in names if n not in known]:
        raise click.UsageError(
            f"--timeframe {strange[0]}: this deployment has {', '.join(known)} ({environment.PREFIX}TIMEFRAMES)"
        )
    chosen = tuple(known[n] for n in dict.fromkeys(names))
    # Millions of short-lived records a second would make the collector scan everything again and again.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    question = Question(Span(from_us, to_us), frozenset(series + more_series), chosen)
    shell = _Shell(settings)
    with ExitStack() as stack:
        store = None
        if not kafka_only:
            session, keyspace = stack.enter_context(reading(home))
            store = Store(session, keyspace, settings.topic_prefix)
        reader = stack.enter_context(Reader(settings.kafka, settings.kafka_options, settings.topic_prefix))
        try:
            report = run_audit(reader, settings.core(), shell.registry.schema_by_id, settings.topic_prefix, question, store)
        except (ReadError, RegistryError) as error:
            raise click.ClickException(str(error)) from error
        yield shell, report


def _tell(report: Report, as_json: bool, limit: int) -> None:
    if as_json:
        click.echo(json.dumps(as_object(report, limit)))
        return
    for line in lines_of(report, limit):
        click.echo(line)
