"""PURE. Groups: instruments of several sources that are the same market, in the order in which they are trusted.

All of a group's instruments share one partition, that of the group's name, so that one owner sees them all; their keys stay
their own. Everybody who computes a partition from an instrument asks `partition_key` what to hash (murmur2, all clients' own).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.records import Price, series_of

SOURCE = "group"
"""Stands where a source does in the names of consolidated series: ``group:<name>``."""
MOST = 8
"""Instruments in a group: as many as the versions of its gaps have room for (ARCHITECTURE, R24)."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Group:
    """Instruments of different sources, the most trusted one first."""

    name: str
    instruments: tuple[str, ...]

    def series(self, price: Price) -> str:
        """Return the name of the consolidated series of this price."""
        return series_of(SOURCE, self.name, price)


Groups = tuple[Group, ...]


def parse_groups(text: str) -> Groups:
    """Return the groups in ``name=source:symbol,source:symbol[;name=...]``.

    Raises:
        ValueError: an entry is not of this form, a name or an instrument stands twice, a group has fewer than two instruments
            or more than `MOST`, two of one source, or one of a source that is called as groups are.
    """
    groups: list[Group] = []
    of: dict[str, str] = {}
    for entry in (e.strip() for e in text.split(";")):
        if not entry:
            continue
        name, equals, rest = entry.partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{entry!r}: write name=source:symbol,source:symbol[;...], names of letters, digits, '.', '_', '-'")
        if any(g.name == name for g in groups):
            raise ValueError(f"two groups are called {name!r}")
        instruments = tuple(i.strip() for i in rest.split(",") if i.strip())
        for instrument in instruments:
            _check(name, instrument)
            if instrument in of:
                raise ValueError(f"{instrument} is in {_where(of[instrument], name)}")
            of[instrument] = name
        sources = [i.partition(":")[0] for i in instruments]
        if len(instruments) < 2:
            raise ValueError(f"group {name!r} needs two instruments at least: one has nothing to be redundant with")
        if len(instruments) > MOST:
            raise ValueError(f"group {name!r} has {len(instruments)} instruments; {MOST} are the most")
        if len(set(sources)) != len(sources):
            raise ValueError(f"group {name!r} names two instruments of one source: they would fail together")
        groups.append(Group(name, instruments))
    return tuple(groups)


def _check(name: str, instrument: str) -> None:
    source, colon, symbol = instrument.partition(":")
    if not colon or not source or not symbol:
        raise ValueError(f"group {name!r}: {instrument!r} is no instrument, which is written source:symbol")
    if source == SOURCE:
        raise ValueError(f"group {name!r}: {instrument!r} is a group's own name, not an instrument")


def _where(first: str, second: str) -> str:
    return f"group {first!r} twice" if first == second else f"two groups, {first!r} and {second!r}"


def is_consolidated(series: str) -> bool:
    """Tell a group's series from an instrument's, by its name."""
    return series.startswith(f"{SOURCE}:")


def instruments_of(groups: Iterable[Group], instrument: str) -> tuple[str, ...]:
    """Return whose records an instrument's series are made of: a consolidated one's are its group's."""
    return next((g.instruments for g in groups if instrument == g.series("trade")), (instrument,))


def partition_key(groups: Iterable[Group], instrument: str) -> bytes:
    """Return what is hashed for an instrument's partition: its group's name, or the instrument itself where it is in none.

    The instrument of a consolidated series, ``group:<name>``, is where its group is.
    """
    for group in groups:
        if instrument in group.instruments or instrument == group.series("trade"):
            return group.name.encode()
    return instrument.encode()
