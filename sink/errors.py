"""PURE. What ends the sink, and what makes it wait."""

from __future__ import annotations


class FatalError(RuntimeError):
    """No waiting helps: the process ends with this text, which says what to do. Nothing unwritten is committed."""


class FloodError(FatalError):
    """Too much was refused. What is done, the dead letters too, is to be committed, or the next start begins with it again."""


class StoppedError(RuntimeError):
    """The sink was asked to end while the store (or Kafka) did not answer; what is unwritten will be read again."""
