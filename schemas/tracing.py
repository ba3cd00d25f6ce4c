"""SHELL (OpenTelemetry). Spans of some batches, for those who ask for them: where a batch was, and for how long.

Off, and nothing of OpenTelemetry is imported, unless CANDLEWICK_OTEL_SAMPLE is above 0. They are sent by OTLP over HTTP to where
OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_ENDPOINT and so on). A span holds counts, topics, partitions and offsets,
never a record, its key, or a secret. Nothing is put into records, most of which have no headers: a batch is found again in the
next service by its offsets, which stand in `OFFSETS` as ``topic/partition/first-last`` wherever it is written or read.
"""

from __future__ import annotations

import logging
import random  # noqa: TID251 - which batches are followed
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

MOST_OPEN = 100
"""Batches followed at a time; beyond it none is taken (our choice: what does not end must not fill the memory)."""
CLOSE_S = 3.0
"""How long the end of a service waits for the receiver of its last spans (our choice)."""
COUNT, OFFSETS = "messaging.batch.message_count", "candlewick.offsets"
"""Names of attributes: the records of a batch, by OpenTelemetry's conventions; and where they stand, ours."""

Fact = str | int | Sequence[str]


class TracingError(ValueError):
    """Spans were asked for and cannot be had; the text says why."""


def checked(share: float) -> float:
    """Return the share of batches to follow, for settings.

    Raises:
        ValueError: it is above 0, and what makes and sends spans is not installed.
    """
    if share:
        try:
            there = find_spec("opentelemetry.exporter.otlp.proto.http") and find_spec("opentelemetry.sdk.trace")
        except ModuleNotFoundError:
            there = None
        if there is None:
            raise ValueError("OpenTelemetry is not installed: it comes with the extra otel, as in pip install candlewick[otel]")
    return share


def span_of(topic: str, number: int, first: int, last: int) -> str:
    """Return where records stand, for `OFFSETS`: offsets `first` to `last` of a topic's partition."""
    return f"{topic}/{number}/{first}-{last}"


class Traced:
    """One batch that is followed: a span from its arrival to its end, and one below it for each step, one at a time.

    Not for several threads at once.
    """

    def __init__(self, tracer: Tracer, span: Span, ended: Callable[[Traced], None]) -> None:
        from opentelemetry.trace import set_span_in_context

        self._tracer = tracer
        self._span = span
        self._within = set_span_in_context(span)
        self._step: Span | None = None
        self._ended = ended

    def step(self, name: str | None) -> None:
        """End the step under way and begin another; None: the batch waits for its turn, which is no step."""
        if self._step is not None:
            self._step.end()
        self._step = None if name is None else self._tracer.start_span(name, self._within)

    def tell(self, name: str, fact: Fact) -> None:
        """Add a fact that was not known at the beginning."""
        self._span.set_attribute(name, fact)

    def end(self, unfinished: str = "") -> None:
        """End it, once; `unfinished` says why the batch did not come to its end here."""
        from opentelemetry.trace import Status, StatusCode

        self.step(None)
        if unfinished:
            self._span.set_status(Status(StatusCode.ERROR, unfinished))
        self._span.end()
        self._ended(self)


class Tracing:
    """What a service asks whether a batch is to be followed. Sends in a thread of its own."""

    def __init__(self, provider: TracerProvider, share: float) -> None:
        """Begin with nothing.

        Args:
            provider: sends what is ended.
            share: of the batches to follow, 0 to 1.
        """
        self._provider = provider
        self._tracer = provider.get_tracer("candlewick", version("candlewick"))
        self._share = share
        self._open: dict[Traced, None] = {}

    def sample(self, name: str, began_us: int | None = None) -> Traced | None:
        """Return a span for a batch that is to be followed, else None.

        Args:
            name: what is done with it, such as ``sink.batch``.
            began_us: when it arrived, microseconds UTC; None = now.
        """
        if random.random() >= self._share or len(self._open) >= MOST_OPEN:  # noqa: S311 - no secret
            return None
        from opentelemetry.context import Context

        span = self._tracer.start_span(name, Context(), start_time=None if began_us is None else began_us * 1000)
        span.set_attribute("messaging.system", "kafka")
        traced = Traced(self._tracer, span, self._ended)
        self._open[traced] = None
        return traced

    def _ended(self, traced: Traced) -> None:
        self._open.pop(traced, None)

    def close(self) -> None:
        """End what is open, as unfinished, and wait `CLOSE_S` at most until everything is sent."""
        for traced in list(self._open):
            traced.end("the service ended")
        # A receiver that does not answer is tried again for longer than the end of a service may take.
        closing = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        closing.start()
        closing.join(CLOSE_S)


def begin(service: str, share: float) -> Tracing | None:
    """Return what follows a `share` of the batches of a service; None, and nothing is imported, where that is 0.

    Raises:
        TracingError: a variable of OpenTelemetry's has a value that it does not take.
    """
    if not share:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    try:
        resource = Resource.create({SERVICE_VERSION: version("candlewick")})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # neither of OpenTelemetry's variables names it
            resource = resource.merge(Resource({SERVICE_NAME: f"candlewick-{service}"}))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except ValueError as error:
        raise TracingError(f"OpenTelemetry refuses one of its variables (OTEL_*): {error}") from error
    # What is wrong with its variables has been said by now. Later a receiver that does not answer is a line for each round that
    # was given up, not one for each try and for each span that found the queue full.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    return Tracing(provider, share)
