"""SHELL (process). The producer's composition root: settings to objects to a run that a signal ends."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Event
from time import monotonic

import structlog

from producer import logs
from producer.active import serve_source
from producer.cluster import enter
from producer.lease import Lease
from producer.pace import Rate
from producer.providers import module_of
from producer.replay import Replay
from producer.settings import Settings, SettingsError
from producer.telemetry import Counts, serve
from schemas.tracing import TracingError, begin

_log = structlog.get_logger()
STAND_BY_S = 0.25  # how soon a standby notices that it is to stop


def run_provider(settings: Settings, name: str) -> None:
    """Serve a provider until SIGTERM or SIGINT, as soon as no other process serves its source.

    Raises:
        SettingsError: the provider's settings are missing or wrong.
        FatalError: Kafka or the registry cannot be used, or another process has taken over.
    """
    provider = module_of(name).build(settings)
    logs.configure(provider.secrets)
    try:
        tracing = begin("producer", settings.otel_sample)
    except TracingError as error:
        raise SettingsError(str(error)) from error
    source = provider.source.name
    stop, counts = Event(), Counts()
    counts.is_active = False
    stops = [stop.set]
    _stop_on_signals(stops)
    enter(settings.kafka, settings.topic_prefix, settings.kafka_options)
    lease = Lease(settings.kafka, settings.topic_prefix, source, settings.kafka_options)
    with _pages(settings, source, counts):
        lease.start()
        try:
            if _stand_by(lease, source, counts, stop):
                counts.is_active, counts.turned_s = True, None
                serve_source(settings, provider, lease, counts, stop, stops, tracing)
        finally:
            lease.release()
            if tracing is not None:
                tracing.close()


def _stand_by(lease: Lease, source: str, counts: Counts, stop: Event) -> bool:
    told = False
    while not stop.is_set():
        counts.turned_s = monotonic()
        if lease.await_proof(STAND_BY_S):
            return True
        if not told:
            told = True
            _log.info(
                "producer.stands_by",
                source=source,
                reason="another producer of this source is active, or its session is not over yet",
            )
    return False


def _pages(settings: Settings, source: str, counts: Counts) -> AbstractContextManager[object]:
    if settings.metrics_port is None:
        return nullcontext()
    begun = monotonic()
    health = lambda: counts.facts() | {"source": source, "up_s": round(monotonic() - begun, 1)}  # noqa: E731 - one expression
    hangs = lambda: counts.hangs(settings.liveness_loop_s, monotonic())  # noqa: E731 - likewise
    return serve(settings.http_host, settings.metrics_port, source, counts, health, hangs)


def run_replay(settings: Settings, paths: Sequence[Path], source: str, rate: Rate, *, finish: bool) -> None:
    """Replay recordings and print the summary; SIGTERM or SIGINT ends it early, in order.

    Raises:
        FatalError: a file, Kafka or the registry cannot be used.
    """
    run = Replay(paths, settings, source=source, rate=rate, finish=finish)
    _stop_on_signals([run.stop])
    print(json.dumps(run.run().as_dict()))  # noqa: T201 - the summary is the command's answer


def _stop_on_signals(stops: Sequence[Callable[[], None]]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: [stop() for stop in stops])
