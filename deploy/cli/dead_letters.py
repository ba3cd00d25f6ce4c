"""SHELL (terminal). `candlewick dead-letters`: look at refused input, and send it again where that can do good."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from deploy.cli.letters import FORCEABLE, Letter, Why, judged
from deploy.cli.settings import DeploySettings, deploy_settings
from deploy.cli.targets import Targets, home_option, targets
from schemas import topics
from schemas.codec import Decoder, as_dict
from schemas.registry import Registry, RegistryError
from schemas.wire import WireError

F = TypeVar("F", bound=Callable[..., Any])
SHOWN_BYTES, SHOWN_KEY = 512, 120


def _filters(command: F) -> F:
    options = (
        click.option("--reason", multiple=True, help="Only these reasons; may be repeated."),
        click.option("--topic", "origins", multiple=True, help="Only those from these topics, such as md.trades.v1."),
        home_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Input that was refused and kept: what it was, why, and a second try."""


@dead_letters.command("list")
@_filters
@click.option("--limit", default=50, show_default=True, help="The newest of them; 0 = all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_letters(reason: tuple[str, ...], origins: tuple[str, ...], home: Path, limit: int, as_json: bool) -> None:
    """List dead letters, oldest first, and how many there are by reason and origin."""
    box = _Box(home)
    letters = sorted(box.chosen(reason, origins), key=lambda a: (a.sent_ms, a.partition, a.offset))
    for letter in letters[-limit:] if limit else letters:
        if as_json:
            click.echo(json.dumps({**_fields(letter), "replay": box.verdict(letter)}))
        else:
            key = (letter.key or b"")[:SHOWN_KEY].decode(errors="replace")
            click.echo(f"{letter.name:>8}  {_time(letter)}  {letter.service:9}  {letter.reason:16}  {key}  {letter.source_text}")
    if not as_json:
        for (why, topic), count in sorted(Counter((a.reason, (a.origin or ["no topic"])[0]) for a in letters).items()):
            click.echo(f"{count} {why} from {topic}")
        click.echo(f"{len(letters)} dead letters")


@dead_letters.command()
@click.argument("name", metavar="PARTITION:OFFSET")
@home_option
def show(name: str, home: Path) -> None:
    """Show one dead letter: its headers, its bytes, what they decode to, and what a replay would do."""
    box = _Box(home)
    letter = box.named(name)
    for key, value in {**_fields(letter), **letter.headers}.items():
        click.echo(f"{key}: {value}")
    value = letter.value or b""
    click.echo(f"bytes: {len(value)}")
    for at in range(0, min(len(value), SHOWN_BYTES), 16):
        part = value[at : at + 16]
        click.echo(f"  {at:04x}  {part.hex(' '):47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in part)}")
    click.echo(f"decoded: {box.decoded(letter)}")
    click.echo(f"replay: {box.verdict(letter)}")


@dead_letters.command()
@click.argument("names", metavar="[PARTITION:OFFSET]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that the filters leave.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--force", is_flag=True, help="Also those whose own bytes are at fault, or which came back already.")
@_filters
def replay(
    names: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    force: bool,
    reason: tuple[str, ...],
    origins: tuple[str, ...],
    home: Path,
) -> None:
    """Publish original bytes again: same topic, same partition, same key. The letters stay where they are.

    Refused, with a reason: what would come back for ever (bytes at fault, or refused again after a replay: --force), what would
    count twice (taken already, or sent again before), feed statuses, and what never was a message.
    Exit status 1 when anything named was not sent.
    """
    if bool(names) == everything:
        raise click.UsageError("name letters, or say --all")
    box = _Box(home)
    letters = [box.named(n) for n in dict.fromkeys(names)] if names else box.chosen(reason, origins)
    good, left = [], 0
    before = box.sent_before(letters)
    for letter in letters:
        why = box.why[letter.name] or (Why.SENT if letter.name in before else None)
        if why is None or (force and why in FORCEABLE):
            good.append(letter)
        else:
            left += 1
            click.echo(f"left {letter.name} {letter.reason}: {why.value}{' (--force sends it)' if why in FORCEABLE else ''}")
    if good and not dry_run:
        box.send_again(good)
    for letter in good:
        click.echo(f"{'would send' if dry_run else 'sent'} {letter.name} {letter.reason} to {letter.source_text}")
    click.echo(f"{len(good)} {'would be ' if dry_run else ''}sent again, {left} left")
    if left and names:
        raise SystemExit(1)


class _Box:
    """The dead letter topic of one deployment, read once."""

    def __init__(self, home: Path) -> None:
        from deploy.cli.letter_box import LetterBoxError, read

        self._settings: DeploySettings = deploy_settings()
        self._where: Targets = targets(home)
        prefix = self._settings.topic_prefix
        self._topic = topics.DEAD_LETTERS.name(prefix)
        self._catalogue = {t.name(prefix): t for t in topics.catalogue(self._settings.parsed_timeframes())}
        inputs = {t.name(prefix) for t in topics.INPUTS}
        outputs = set(self._catalogue) - inputs - {self._topic, topics.LATE_TRADES.name(prefix)}
        try:
            self.letters = read(self._where.kafka, self._topic, self._settings.kafka_options)
        except LetterBoxError as error:
            raise click.ClickException(str(error)) from error
        self.why = judged(self.letters, inputs, outputs, topics.FEED_STATUS.name(prefix))

    def chosen(self, reasons: tuple[str, ...], origins: tuple[str, ...]) -> list[Letter]:
        return [
            a
            for a in self.letters
            if (not reasons or a.reason in reasons) and (not origins or (a.origin is not None and a.origin[0] in origins))
        ]

    def named(self, name: str) -> Letter:
        for letter in self.letters:
            if letter.name == name:
                return letter
        raise click.ClickException(f"no dead letter {name}: see `candlewick dead-letters list`")

    def verdict(self, letter: Letter) -> str:
        why = self.why[letter.name]
        return "can do good" if why is None else why.value

    def decoded(self, letter: Letter) -> str:
        topic = self._catalogue.get(letter.origin[0]) if letter.origin else None
        if topic is None or topic.record is None:
            return (letter.value or b"")[:SHOWN_BYTES].decode(errors="replace")
        try:
            record: Any = Decoder(topic.record, Registry(self._where.registry, self._settings.registry_ca_file).schema_by_id)(
                letter.value
            )
        except (WireError, RegistryError) as error:
            return f"not to be read: {error}"
        return json.dumps(as_dict(record))

    def sent_before(self, letters: list[Letter]) -> set[str]:
        from deploy.cli.letter_box import LetterBoxError, sent_before

        doubtful = [a for a in letters if self.why[a.name] is None]
        try:
            return sent_before(self._where.kafka, doubtful, self._settings.kafka_options) if doubtful else set()
        except LetterBoxError as error:
            raise click.ClickException(str(error)) from error

    def send_again(self, letters: list[Letter]) -> None:
        from deploy.cli.letter_box import LetterBoxError, send_again

        try:
            send_again(self._where.kafka, letters, self._settings.kafka_options)
        except LetterBoxError as error:
            raise click.ClickException(str(error)) from error


def _time(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.sent_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _fields(letter: Letter) -> dict[str, Any]:
    return {
        "letter": letter.name,
        "sent_at": _time(letter),
        "key": (letter.key or b"").decode(errors="replace"),
        "reason": letter.reason,
        "detail": letter.detail,
        "service": letter.service,
        "origin": letter.source_text,
    }
