"""PURE. What the core is told once: timeframes, prices and the limits of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from processor.core.calendar import Sessions
from processor.core.rolls import Rolls
from schemas.groups import Groups
from schemas.records import Price
from schemas.timeframes import BASE_US, HOUR, MINUTE, SECOND, Timeframe, parse_list


@dataclass(frozen=True)
class CoreConfig:
    """Settings of the core; all durations are microseconds."""

    timeframes: tuple[Timeframe, ...] = field(default_factory=lambda: parse_list("1m,5m,15m,1h,4h,1d"))
    quote_prices: tuple[Price, ...] = ("mid",)
    lateness_us: int = 2 * SECOND
    """How long a window stays open after its end."""
    horizon_us: int = 2 * HOUR
    """How old at receipt a record may be and still enter a candle."""
    ahead_us: int = 60 * SECOND
    """How far event time may lie ahead of receipt: more means wrong units."""
    sessions: Sessions = ()
    """Market hours by instrument pattern; an instrument that none fits is always open."""
    rolls: Rolls = ()
    """Where days begin at a session's roll, by instrument pattern; they begin at midnight UTC where none fits."""
    groups: Groups = ()
    """Instruments that consolidated series are made of."""
    backfill_us: int = 24 * HOUR
    """How old at receipt a backfilled trade, or a vendor's candle that answers a gap, may be; so long a gap holds state back."""
    generation: int = 0
    """Raised by hand when a rebuild must replace what is out (version rule)."""

    @property
    def kept_us(self) -> int:
        """How long after its end a window's state is kept: the horizon and ten minutes of slack."""
        return self.horizon_us + 10 * MINUTE

    @cached_property
    def base(self) -> int:
        """Index of 1m in `timeframes`: the base of all from 1m up, and of the gaps."""
        return next(i for i, t in enumerate(self.timeframes) if t.us == BASE_US)
