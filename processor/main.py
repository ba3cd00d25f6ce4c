"""SHELL (process). The processor's composition: settings, registry, engine, publisher, Faust worker."""

from __future__ import annotations

import gc
import socket
import sys
from importlib.metadata import version

import faust
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from processor import logs
from processor.app import Processor
from processor.cache import Cache
from processor.engine import Engine
from processor.events import Hub
from processor.hot import Hot
from processor.kafka_options import OptionsError
from processor.publisher import Publisher
from processor.settings import Settings, SettingsError, read
from processor.start_pages import answering
from processor.telemetry import Counters
from processor.tracing import Batches
from processor.warm import Reader
from processor.web import Web
from schemas import rights, topics
from schemas.admission import REACH_S, AdmissionError, OptionsRefusedError, UnreachedError, admit
from schemas.avro import schema_text
from schemas.registry import Registry, RegistryError, RegistryUnavailableError
from schemas.tracing import Tracing, TracingError, begin
from schemas.waiting import AwayError, StoppedError, Waiting, until_answered

log = structlog.get_logger()


class StartError(Exception):
    """Something that must be there at start is not; the text says what and how to get it."""


def _partitions(settings: Settings) -> int:
    prefix = settings.topic_prefix
    may = rights.of_processor(prefix, settings.timeframes)
    try:
        group = topics.group_name(topics.PROCESSOR_GROUP, prefix)
        admit(settings.kafka, settings.kafka_options, may, group=group, reach_s=REACH_S)
    except OptionsRefusedError as error:
        raise OptionsError(f"CANDLEWICK_KAFKA_OPTIONS: {error}") from error
    except AdmissionError as error:
        raise StartError(str(error)) from error
    except UnreachedError as error:
        raise AwayError("kafka", str(error)) from error
    admin = AdminClient({"bootstrap.servers": settings.kafka, **settings.kafka_options})
    try:
        known = admin.list_topics(timeout=10).topics
    except KafkaException as error:
        raise AwayError("kafka", f"no Kafka at {settings.kafka}: {error.args[0].str()}") from error
    wanted = [t.name(settings.topic_prefix) for t in topics.catalogue(settings.timeframes)]
    wanted.append(topics.changelog_name(settings.topic_prefix))
    missing = [t for t in wanted if t not in known]
    if missing:
        raise StartError(f"topics are missing: {', '.join(missing)}; make them with: candlewick topics apply")
    inputs = [t.name(settings.topic_prefix) for t in topics.INPUTS]
    counts = {name: len(known[name].partitions) for name in [*inputs, topics.changelog_name(settings.topic_prefix)]}
    if len(set(counts.values())) != 1:
        raise StartError(f"all input topics and the state topic need the same number of partitions: {counts}")
    return counts[inputs[0]]


def _schema_ids(settings: Settings, registry: Registry) -> dict[str, int]:
    ids = {}
    for topic in topics.catalogue(settings.timeframes):
        if topic.record is not None:
            try:
                ids[topic.dataset] = registry.lookup(topic.subject(settings.topic_prefix), schema_text(topic.record))
            except RegistryUnavailableError as error:
                raise AwayError("registry", str(error)) from error
    return ids


def _listener(settings: Settings) -> socket.socket | None:
    if settings.metrics_port is None:
        return None
    family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
    try:
        return socket.create_server((settings.http_host, settings.metrics_port), family=family)
    except OSError as error:
        raise StartError(f"cannot listen on {settings.http_host} port {settings.metrics_port}: {error}") from error


def _url(settings: Settings, listener: socket.socket) -> str:
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    advertised = settings.advertised_url.replace("{hostname}", socket.gethostname())
    return (advertised or f"http://{host}:{listener.getsockname()[1]}").rstrip("/")


def _compose(
    settings: Settings,
    partitions: int,
    registry: Registry,
    ids: dict[str, int],
    listener: socket.socket | None,
    tracing: Tracing | None,
) -> Processor:
    service = f"processor {version('candlewick')}"
    engine = Engine(settings.core(), settings.topic_prefix, ids, registry.schema_by_id, Counters(), service)
    publisher = Publisher(settings.kafka, settings.kafka_options)
    batches = Batches(tracing)
    if listener is None:
        return Processor(settings, engine, publisher, partitions, batches=batches)
    hot = Hot(
        Cache(settings.cache_mb << 20),
        Hub(),
        lambda read: Reader(settings.kafka, settings.kafka_options, read),
        registry.schema_by_id,
        settings.topic_prefix,
        settings.timeframes,
    )
    processor = Processor(settings, engine, publisher, partitions, hot, _url(settings, listener), batches)
    web = Web(processor, hot, listener, [t.name for t in settings.timeframes], partitions, settings.groups)
    processor.app.early = (web,)
    return processor


def main() -> None:
    """Run until told to stop. Exits 2 on wrong settings, 1 on what else is fatal."""
    logs.configure()
    try:
        settings = read()
        tracing = begin("processor", settings.otel_sample)
        registry = Registry(settings.registry, settings.registry_ca_file, pins=settings.schema_ids)
        listener, waiting = _listener(settings), Waiting()
        with answering(listener, waiting):
            # Together: the one that answered first may be away by the time that the other is back.
            partitions, ids = until_answered(lambda: (_partitions(settings), _schema_ids(settings, registry)), waiting)
        processor = _compose(settings, partitions, registry, ids, listener, tracing)
    except (SettingsError, OptionsError, TracingError) as error:
        log.error("settings.refused", error=str(error))
        sys.exit(2)
    except (StartError, RegistryError) as error:
        log.error("start.failed", error=str(error))
        sys.exit(1)
    except StoppedError:
        log.info("processor.stopped", reason="told to end while the start waited")
        return
    log.info("processor.started", kafka=settings.kafka, timeframes=[t.name for t in settings.timeframes], partitions=partitions)
    # Millions of short-lived records a second would make the collector scan everything again and again.
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    worker = faust.Worker(processor.app, quiet=True, redirect_stdouts=False, override_logging=False)
    worker.spinner = None  # it would hide the cursor with bytes in the log, terminal or not
    try:
        worker.execute_from_commandline()
    finally:
        if tracing is not None:
            tracing.close()
