"""PURE. What a source is: frames of one provider in, events and frames to send out. No clock, no socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from producer.errors import RemoteError
from schemas.records import IdOrder, Loss, Quote, Trade, TradeKind


@dataclass(frozen=True)
class Heartbeat:
    """A frame that only says the provider is there."""


@dataclass(frozen=True)
class Ignored:
    """A frame that holds nothing for us; ``kind`` is from a fixed set (a metric label)."""

    kind: str


@dataclass(frozen=True)
class Repeated:
    """A trade that an earlier frame held; dropped."""

    symbol: str
    kind: TradeKind


@dataclass(frozen=True)
class Refused:
    """One element of a frame that breaks the contract: ``value`` is its own text, for the dead letters."""

    value: bytes
    error: RemoteError


@dataclass(frozen=True)
class VenueError:
    """The provider complains; ``message`` is its whole text: what it repeats of our keys is taken out before it is cut."""

    message: str


SourceEvent = Trade | Quote | Heartbeat | Ignored | Repeated | Refused | VenueError | Loss
"""A `Loss` is an interval of one symbol (or of all) that the source has found incomplete while connected: told once, it goes into
the next status of the symbol's partition."""


class Source(Protocol):
    """One provider's protocol. Records carry epoch 0 and sequence 0: numbering is the caller's.

    ``name`` is the first part of every series; ``ids`` says what the venue's trade ids
    promise: only contiguous ids prove gaps.
    """

    name: str
    ids: IdOrder

    @property
    def symbols(self) -> tuple[str, ...]:
        """The wanted symbols."""

    def kind(self, symbol: str) -> Literal["trades", "quotes"]:
        """Return what is delivered for a wanted symbol."""

    def connected(self, now_us: int) -> None:
        """Begin a connection: forget what belonged to the one before; subscriptions are to be sent anew."""

    def receive(self, frame: bytes, now_us: int) -> list[SourceEvent]:
        """Return the events of one frame, in its order.

        Args:
            frame: the payload of one text or binary frame.
            now_us: receive time, microseconds UTC; stamped on every record.

        Raises:
            RemoteError: the whole frame is not what the provider documents; nothing was taken from it. The connection
                survives; the caller dead-letters the frame.
        """

    def frames_to_send(self, limit: int) -> list[str]:
        """Return the next frames to send, at most `limit` (the caller keeps the provider's pace); empty when all are sent."""

    def refused_symbols(self) -> frozenset[str]:
        """Return the wanted symbols that the provider seems not to deliver."""

    def admits(self, trade: Trade) -> bool:
        """Tell whether a trade fetched after the fact is new, and remember it; False: it had come by the stream or before."""


@runtime_checkable
class ChangingSource(Source, Protocol):
    """A source whose symbols can change while it is connected; `producer.sources.wanted` keeps the books for it."""

    def want(self, symbols: tuple[str, ...]) -> None:
        """Want these from now on: ``symbols`` changes at once, the frames that say so come from `frames_to_send`.

        What the provider still sends for a symbol that was dropped is `Ignored`, not refused.
        """


@runtime_checkable
class ProvingSource(Source, Protocol):
    """A source that knows by number what is missing, and waits a little before it says so."""

    def owed(self, now_us: int) -> list[Loss]:
        """Return what is missing until now and was not told: nothing will come any more, so nothing is waited for."""


@runtime_checkable
class ClosingSource(Source, Protocol):
    """A source whose provider says itself when its markets are closed."""

    def is_market_closed(self) -> bool:
        """Tell whether the provider says of every symbol that it is closed; False while it has not said so of one."""
