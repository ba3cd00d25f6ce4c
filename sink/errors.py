"""PURE. What ends the sink, and what makes it wait."""

from __future__ import annotations


class FatalError(RuntimeError):
    """No waiting helps: the process ends with this text, which says what to do. Nothing unwritten is committed."""


class StoppedError(RuntimeError):
    """The sink was asked to end while the store (or Kafka) did not answer; what is unwritten will be read again."""
