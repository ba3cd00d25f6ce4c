"""PURE. What can go wrong in the producer; the type says what happens next."""

from __future__ import annotations


class ProducerError(Exception):
    """Base of the producer's own errors."""


class RemoteError(ProducerError):
    """The peer broke its contract: dead-letter what it sent, count it, go on.

    ``reason`` is a short stable word (a metric label), ``symbol`` the record's where it could be read.
    """

    def __init__(self, reason: str, detail: str, symbol: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.symbol = symbol


class FatalError(ProducerError):
    """The process cannot go on without breaking a promise: log once, exit 1, let the supervisor start it anew."""
