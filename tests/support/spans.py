"""SHELL (OpenTelemetry). Spans kept in memory instead of being sent: for the bookkeeping of batches that are followed."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from schemas.tracing import Tracing


class Spans:
    """A `Tracing` that follows everything, and what it has ended so far."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.tracing = Tracing(provider, 1.0)

    def ended(self) -> list[str]:
        """Return the names of what has ended, in that order; an unfinished batch's with the reason."""
        spans = self._memory.get_finished_spans()
        return [f"{s.name}: {s.status.description}" if s.status.description else s.name for s in spans]

    def facts(self) -> list[dict[str, object]]:
        """Return the facts of every batch that has ended."""
        return [dict(s.attributes or {}) for s in self._memory.get_finished_spans() if s.parent is None]
