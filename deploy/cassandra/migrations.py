"""PURE. The schema as numbered migrations: what each file asks for, and which of them a keyspace still lacks.

A migration is a CQL template that is applied once and never changed afterwards; what comes later is a new number. One that
speaks of $timeframe is applied once for every timeframe, so a timeframe that is added later gets all of its own in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from string import Template

WHOLE = "all"
"""The subject of a migration that is not about one timeframe."""


@dataclass(frozen=True)
class Migration:
    """One file: its number and name, and its text without comments."""

    number: int
    name: str
    text: str

    @property
    def per_timeframe(self) -> bool:
        """Tell whether it is applied for every timeframe."""
        return "$timeframe" in self.text

    @property
    def checksum(self) -> str:
        """Return what tells this text from any other, whatever its comments and line breaks."""
        return sha256(" ".join(self.text.split()).encode()).hexdigest()[:16]

    def statements(self, values: Mapping[str, str]) -> list[str]:
        """Return its statements with `values` in place of the $names.

        Raises:
            KeyError: a name without a value.
        """
        return [Template(s.strip()).substitute(values) for s in self.text.split(";") if s.strip()]


@dataclass(frozen=True)
class Step:
    """A migration to be applied for one subject: a timeframe, or `WHOLE`."""

    migration: Migration
    subject: str


def read(files: Mapping[str, str]) -> tuple[Migration, ...]:
    """Return the migrations in `files`, name -> text, in order.

    Raises:
        ValueError: a name without a number, or numbers with a hole.
    """
    found = []
    for file, text in sorted(files.items()):
        match = re.fullmatch(r"(\d{3})_(\w+)\.cql", file)
        if match is None:
            raise ValueError(f"{file}: a migration is called 001_name.cql")
        bare = "\n".join(line.split("--", 1)[0].rstrip() for line in text.splitlines())
        found.append(Migration(int(match[1]), match[2], bare.strip()))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the numbers of the migrations are not 1 to {len(found)}: {[m.number for m in found]}")
    return tuple(found)


def lacking(migrations: Sequence[Migration], timeframes: Iterable[str], recorded: Mapping[tuple[str, int], str]) -> list[Step]:
    """Return what is still to be applied, in order.

    Args:
        migrations: all there are.
        timeframes: the names of those wanted.
        recorded: checksum of what was applied, by subject and number.

    Raises:
        ValueError: the keyspace is of a newer release, or a migration was changed after it had been applied.
    """
    known = {m.number: m for m in migrations}
    for (_, number), checksum in sorted(recorded.items(), key=lambda item: item[0][1]):
        if number not in known:
            raise ValueError(
                f"the keyspace has migration {number}, this release knows {len(migrations)}: it is older than the tables"
            )
        if known[number].checksum != checksum:
            raise ValueError(
                f"migration {number} ({known[number].name}) is not the one that was applied: write a new one instead"
            )
    names = list(timeframes)
    steps = (Step(m, subject) for m in migrations for subject in (names if m.per_timeframe else [WHOLE]))
    return [step for step in steps if (step.subject, step.migration.number) not in recorded]
