"""SHELL (terminal). The contract's commands: ``topics apply`` and ``users``, ``schemas apply``, ``check`` and ``asyncapi``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploy.cli.settings import DeploySettings, deploy_settings
from deploy.cli.targets import Targets, home_option, targets
from schemas.registry import COMPATIBILITY, Registry, RegistryError


@click.group()
def topics() -> None:
    """The topics of the catalogue."""


@topics.command("apply")
@home_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def topics_apply(home: Path, as_json: bool) -> None:
    """Create the topics that are missing; name what differs in those that exist. Nothing existing is changed."""
    from deploy.cli.topics import TopicsError, apply, wanted_topics

    settings, where = deploy_settings(), targets(home)
    wanted = wanted_topics(settings.topic_prefix, settings.parsed_timeframes(), settings.partitions, settings.replication)
    try:
        applied = apply(where.kafka, wanted, settings.kafka_options)
    except TopicsError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(vars(applied)))
        return
    for name in applied.created:
        click.echo(f"created {name}")
    for name, properties in applied.differs.items():
        for key, (found, expected) in properties.items():
            click.echo(f"differs {name}: {key} is {found}, wanted {expected} (left as it is)")
    click.echo(f"{len(applied.created)} topics created, {len(applied.present)} were there, {len(applied.differs)} differ")


@topics.command("users")
@home_option
@click.option(
    "--passwords",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a file a user, called producer, processor, sink, operator, ..., each holding one password.",
)
@click.option("--prune", is_flag=True, help="Take away what these users may do beyond the table; otherwise it is only named.")
def topics_users(home: Path, folder: Path | None, prune: bool) -> None:
    """Make the users of services, operator and readers in Kafka: SCRAM passwords, and ACLs for what each does and no more.

    As a superuser, by CANDLEWICK_KAFKA_OPTIONS or its file. Running it again is harmless.
    """
    from deploy.kafka.access import users
    from deploy.kafka.grants import GrantError, grant, passwords_of

    settings, where = deploy_settings(), targets(home)
    people = users(settings.topic_prefix, settings.parsed_timeframes())
    try:
        passwords = {} if folder is None else passwords_of(people, folder)
        granted = grant(where.kafka, settings.kafka_options, people, passwords, prune=prune)
    except GrantError as error:
        raise click.ClickException(str(error)) from error
    for name in granted.passwords:
        click.echo(f"password set: {name}")
    for verb, lines in (("allowed", granted.made), ("beyond the table, left", granted.extra), ("removed", granted.removed)):
        for line in lines:
            click.echo(f"{verb}: {line}")
    click.echo(f"{len(people)} users, {len(granted.passwords)} passwords set, {len(granted.made)} rights made")


@click.group()
def schemas() -> None:
    """The schemas of the records."""


@schemas.command("apply")
@home_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def schemas_apply(home: Path, as_json: bool) -> None:
    """Register every schema under its subject, with the compatibility rule of the contract."""
    from deploy.cli.subjects import apply

    settings, where = deploy_settings(), targets(home)
    try:
        applied = apply(Registry(where.registry, settings.registry_ca_file), settings.topic_prefix, settings.parsed_timeframes())
    except RegistryError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(vars(applied)))
        return
    for subject in applied.new_versions:
        click.echo(f"registered {subject} as id {applied.ids[subject]}")
    click.echo(f"{len(applied.ids)} subjects, {len(applied.new_versions)} with a new version, rule {COMPATIBILITY}")


@schemas.command("check")
@home_option
def schemas_check(home: Path) -> None:
    """Fail, naming the field, when a local schema could not be applied or lacks documentation."""
    from deploy.cli.subjects import check

    settings, where = deploy_settings(), targets(home)
    try:
        problems = check(Registry(where.registry, settings.registry_ca_file), settings.topic_prefix, settings.parsed_timeframes())
    except RegistryError as error:
        raise click.ClickException(str(error)) from error
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise SystemExit(1)
    click.echo("the schemas are documented, and compatible with every registered version")


@schemas.command("asyncapi")
def schemas_asyncapi() -> None:
    """Print the public topics as an AsyncAPI document, as it stands in schemas/asyncapi.yaml."""
    from deploy.cli.asyncapi import document, text
    from schemas import timeframes

    click.echo(text(document(timeframes.parse_list(timeframes.DEFAULT))), nl=False)


def apply_contract(where: Targets, settings: DeploySettings) -> None:
    """Create topics and register schemas, as a step of a larger command.

    Raises:
        click.ClickException: one of the two refused.
    """
    from deploy.cli import subjects
    from deploy.cli import topics as kafka_topics

    names = settings.topic_prefix, settings.parsed_timeframes()
    try:
        wanted = kafka_topics.wanted_topics(*names, settings.partitions, settings.replication)
        kafka_topics.apply(where.kafka, wanted, settings.kafka_options)
        subjects.apply(Registry(where.registry, settings.registry_ca_file), *names)
    except (kafka_topics.TopicsError, RegistryError) as error:
        raise click.ClickException(str(error)) from error
