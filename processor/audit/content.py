"""PURE. What of a candle or gap has to agree, and the shapes in which contents are found.

Content is every field but state, reason, updated_at and input_*, which tell how and when it was published (ARCHITECTURE R1).
A rebuild under a raised generation changes no content, so versions are compared without it. A gap of a consolidated series is
told when it says something else: how much of its hour was known then, which is its version, depends on when (R24).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from processor.audit.book import CandleKey
from schemas.groups import is_consolidated
from schemas.records import Candle, Gap

GENERATION = 10**12
"""What one generation adds to a candle's version."""
_HOW = {"state", "reason", "updated_at", "input_partition", "input_offset"}
CANDLE_CONTENT = tuple(f.name for f in fields(Candle) if f.name not in _HOW)
GAP_CONTENT = tuple(f.name for f in fields(Gap) if f.name != "updated_at")

Found = Mapping[str, Any]
"""Fields by name, as they were found; those that a place does not keep are absent."""


class Out(NamedTuple):
    """The highest version that was read of a candle or gap, and where it stands in its topic."""

    content: Found
    partition: int
    offset: int


@dataclass
class Published:
    """What the candle and gap topics hold."""

    candles: dict[CandleKey, Out] = field(default_factory=dict)
    gaps: dict[str, Out] = field(default_factory=dict)
    strange: list[tuple[str, int, int, str]] = field(default_factory=list)
    """(dataset, partition, offset, what is wrong) of records that no processor writes, whatever they contain."""
    begins: dict[tuple[str, int], int] = field(default_factory=dict)
    """By (dataset, partition) from which something was deleted: when the oldest record left was published, microseconds."""


@dataclass
class Stored:
    """What Cassandra holds."""

    candles: dict[CandleKey, Found]
    gaps: dict[str, Found]
    written: Mapping[tuple[str, int], int]
    """Next offset by (dataset, partition): the sink has written everything below."""
    alive: Callable[[str, str, int], bool]
    """Whether a row still lives by its retention: (timeframe or ``gaps``, series, own time in microseconds)."""


def generation_of(version: int) -> int:
    """Return the generation that a candle's version was made under."""
    return version // GENERATION


def differing(wanted: Candle | Gap, found: Found) -> list[str]:
    """Return, for people, each field of the content that is not as wanted; fields that `found` lacks are passed over."""
    candle = isinstance(wanted, Candle)
    versioned = candle or not is_consolidated(wanted.series)
    lines = []
    for name in CANDLE_CONTENT if candle else GAP_CONTENT:
        if name not in found or (name == "version" and not versioned):
            continue
        ought, is_ = getattr(wanted, name), found[name]
        if candle and name == "version":
            ought, is_ = ought % GENERATION, is_ % GENERATION
        if ought != is_:
            lines.append(f"{name} is {is_}, should be {ought}")
    return lines
