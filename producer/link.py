"""PURE. What the feed's loop needs of a connection to a provider, whatever carries it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from producer.inbox import Inbox


class Link(Protocol):
    """One attempt to connect, and the connection that comes of it; all it meets it puts into the `Inbox`, marked with `number`.

    In this order: ``opened`` or ``failed`` (then nothing more); ``data`` (a frame of the provider), ``ping``, ``pong``;
    ``closed`` last, always, and within seconds of `kill`. ``detail`` of the first and last holds no secret; ``http_status``
    says what kind of failure it was: 401 and 403 a refusal (asked again in minutes), 429 too often, anything else ordinary.
    ``good_until_us`` of a ``closed`` is the last moment at which the connection surely delivered, where its end was found late;
    ``seen_us`` the last at which it was looked for and had not come, where it was met in the order of what was sent.

    A feed is good once the pong comes that answers a ping sent after the last subscription: the provider has read them all.
    A link whose provider knows no such pings puts a ``pong`` with the same payload itself, once it knows as much in another
    way; one that puts none is good with the provider's first frame 5 s after the last subscription.
    A provider's session that recovers without loss is one link: nothing is told of it.
    """

    number: int

    def start(self) -> None:
        """Begin to connect; returns at once."""

    def send(self, text: str) -> bool:
        """Send a text of `Source.frames_to_send`; False if the connection is gone, which a ``closed`` says too."""

    def ping(self, payload: bytes) -> bool:
        """Send a ping that is answered by a ``pong`` with the same payload; False as in `send`."""

    def kill(self) -> None:
        """End it from any thread, whatever state it is in."""

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of its threads; return whether they have ended."""


Connect = Callable[[Inbox, int], Link]
"""Make the link of an attempt, by its number; not yet started."""
