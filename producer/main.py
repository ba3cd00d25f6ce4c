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
from producer.cluster import enter, schema_ids
from producer.lease import Lease
from producer.pace import Rate
from producer.providers import module_of
from producer.replay import Replay
from producer.settings import Settings, SettingsError
from producer.telemetry import Counts, serve
from schemas.admission import REACH_S
from schemas.registry import Registry
from schemas.tracing import TracingError, begin
from schemas.waiting import StoppedError, until_answered

_log = structlog.get_logger()
STAND_BY_S = 0.25  # how soon a standby notices that it is to stop


def run_provider(settings: Settings, name: str) -> None:
    """Serve a provider until SIGTERM or SIGINT, as soon as Kafka and registry answer and no other process serves its source.

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
    registry = settings.schema_registry()
    with _pages(settings, source, counts):
        try:
            # A standby has its ids before it is needed: it may have to take over while the registry is away.
            until_answered(lambda: _admitted(settings, registry), counts.waiting, stop)
            lease = Lease(settings.kafka, settings.topic_prefix, source, settings.kafka_options)
            try:
                until_answered(lease.start, counts.waiting, stop)
                if _stand_by(lease, source, counts, stop):
                    counts.is_active, counts.turned_s = True, None
                    serve_source(settings, provider, lease, counts, stop, stops, registry, tracing)
            finally:
                lease.release()
        except StoppedError:
            _log.info("producer.stopped", source=source, reason="told to end while the start waited")
        finally:
            if tracing is not None:
                tracing.close()


def _admitted(settings: Settings, registry: Registry) -> None:
    enter(settings.kafka, settings.topic_prefix, settings.kafka_options, REACH_S)
    schema_ids(registry, settings.topic_prefix)


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
