"""PURE. What the engine hands to the app: messages to be produced, and what may be committed once they are acknowledged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from processor.core.vendor_candles import VendorCandles
from schemas.records import Candle, Gap


class Send(NamedTuple):
    """One message to be produced; partition is always explicit."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None = None


class Made(NamedTuple):
    """Candles or a gap with their partition, and the bytes of each: one, or as many as a vendor's candles in columns are."""

    what: Candle | Gap | VendorCandles
    partition: int
    bodies: Sequence[bytes]


@dataclass
class Outgoing:
    """What one flush publishes; live candles last. It must be acknowledged before state taken after it is sent."""

    journal: list[Send] = field(default_factory=list)
    """To be acknowledged before any of `outputs` is sent: which gaps are told in it for the first time."""
    outputs: list[Send] = field(default_factory=list)
    live: int = 0
    """How many of `outputs` are live candles."""
    records: list[Made] = field(default_factory=list)
    """The candles and gaps among `outputs`: for readers of this process."""


@dataclass
class State:
    """State of some partitions; once it is acknowledged, `done` may be committed."""

    messages: list[Send] = field(default_factory=list)
    done: dict[tuple[str, int], int] = field(default_factory=dict)
    """(topic, partition) -> next offset: everything below has had its effect on outputs and state."""
