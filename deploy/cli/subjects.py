"""SHELL (schema registry). Registers the contract's schemas under the catalogue's subjects, and checks changed ones before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import fastavro
from fastavro.schema import SchemaParseException

from deploy.cli.compatibility import differences, without_doc
from schemas.avro import FILES, schema_text
from schemas.records import Record
from schemas.registry import COMPATIBILITY, Registry, RegistryError
from schemas.timeframes import Timeframe
from schemas.topics import catalogue


@dataclass(frozen=True)
class Applied:
    """What `apply` did: subject -> schema id, and which subjects got a new version by it."""

    ids: dict[str, int] = field(default_factory=dict)
    new_versions: list[str] = field(default_factory=list)


def subjects(prefix: str, timeframes: Sequence[Timeframe]) -> dict[str, type[Record]]:
    """Return every subject with the record whose schema it holds."""
    return {t.subject(prefix): t.record for t in catalogue(timeframes) if t.record is not None}


def apply(registry: Registry, prefix: str, timeframes: Sequence[Timeframe]) -> Applied:
    """Register every subject under the rule `COMPATIBILITY`; what is registered already stays as it is.

    Raises:
        RegistryError: a schema is incompatible with a registered version, or the registry is not reached.
    """
    applied = Applied()
    for subject, record in subjects(prefix, timeframes).items():
        text = schema_text(record)
        before = registry.versions(subject)
        if registry.compatibility(subject) != COMPATIBILITY:
            registry.set_compatibility(subject, COMPATIBILITY)  # first, so that it judges this very version
        try:
            applied.ids[subject] = registry.register(subject, text)
        except RegistryError as error:
            if error.status != 409:
                raise
            raise RegistryError("; ".join(_why(registry, subject, record, text)), error.status) from error
        if registry.versions(subject) != before:
            applied.new_versions.append(subject)
    return applied


def check(registry: Registry, prefix: str, timeframes: Sequence[Timeframe]) -> list[str]:
    """Return what is wrong with the local schemas, one line each with the file's name; empty when they may be applied.

    Raises:
        RegistryError: the registry is not reached.
    """
    problems = []
    for record in FILES:
        problems += [f"{FILES[record]}.avsc: {line}" for line in _wrong_in_itself(schema_text(record))]
    spoilt = {p.partition(":")[0] for p in problems}
    for subject, record in subjects(prefix, timeframes).items():
        text = schema_text(record)
        if f"{FILES[record]}.avsc" in spoilt or not registry.versions(subject):
            continue
        if registry.check(subject, text):
            problems += _why(registry, subject, record, text)
    return list(dict.fromkeys(problems))  # seven subjects hold one and the same candle: say it once


def _wrong_in_itself(text: str) -> list[str]:
    try:
        schema = json.loads(text)
        fastavro.parse_schema(schema)
    except (ValueError, KeyError, TypeError, SchemaParseException) as error:
        return [f"not a valid Avro schema: {type(error).__name__}: {error}"]
    return without_doc(schema)


def _why(registry: Registry, subject: str, record: type[Record], text: str) -> list[str]:
    file = f"{FILES[record]}.avsc"
    lines = []
    for version in registry.versions(subject):
        lines += [f"{file}: {line}" for line in differences(registry.version(subject, version), json.loads(text))]
    return list(dict.fromkeys(lines)) or [f"{file}: the registry calls it incompatible with the versions of {subject}"]
