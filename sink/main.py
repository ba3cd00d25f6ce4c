"""SHELL (process). The sink's composition root: settings to objects, checks, run, drain."""

from __future__ import annotations

import os
import random  # noqa: TID251 - jitter between tries
import signal
import sys
import time
from types import FrameType

import structlog
from confluent_kafka import KafkaException

from schemas.admission import AdmissionError, UnreachedError, admit
from schemas.records import Record
from schemas.registry import Registry, RegistryError, RegistryUnavailableError
from schemas.rights import of_sink
from schemas.topics import CANDLES_LIVE, DEAD_LETTERS, FEED_STATUS, GAPS, QUOTES, SINK_GROUP, TRADES, catalogue, group_name
from schemas.tracing import Tracing, TracingError, begin
from sink import logs, retry, settings
from sink.consumer import Lane, missing_topics
from sink.dead_letters import DeadLetters
from sink.errors import FatalError, StoppedError
from sink.mapping import Mapper
from sink.overrides import Retention
from sink.settings import Configuration, SettingsError
from sink.store import Store
from sink.telemetry import Telemetry, serve
from sink.tracing import Polls
from sink.worker import Worker
from sink.writer import Lanes, Writer

_log = structlog.get_logger()
LAG_ONE_REPLICA_S = 15.0
"""One node acknowledges up to 10 s before its disk has the data (commitlog_sync_period); a margin more."""
START_TIMEOUT_S = 10.0
STUCK_S = 60.0
"""A turn that long is not alive any more: writes end after 5 s, and waits say so every 100 ms."""


def main() -> None:
    """Run until SIGTERM or SIGINT; exit status 0 after a drain, 1 after a fatal error, 2 for wrong settings."""
    logs.configure()
    try:
        configuration = settings.load(os.environ)  # noqa: TID251 - read once, here
        tracing = begin("sink", configuration.settings.otel_sample)
    except (SettingsError, TracingError) as error:
        _log.error("settings.refused", reason=str(error))
        sys.exit(2)
    try:
        _Service(configuration, tracing).run()
    except FatalError as error:
        _log.error("sink.failed", reason=str(error))
        sys.exit(1)
    except StoppedError as error:
        _log.warning("sink.stopped", reason=str(error))
    except Exception:
        _log.exception("sink.crashed")
        raise SystemExit(1) from None
    else:
        _log.info("sink.stopped")
    finally:
        if tracing is not None:
            tracing.close()


class _Service:
    def __init__(self, configuration: Configuration, tracing: Tracing | None) -> None:
        self._c = configuration
        self._tracing = tracing
        self._worker: Worker | None = None
        self._writer: Writer | None = None
        self._lanes: Lanes | tuple[()] = ()
        self._stopping = False
        self._telemetry = Telemetry()
        signal.signal(signal.SIGTERM, self._signalled)
        signal.signal(signal.SIGINT, self._signalled)

    def run(self) -> None:
        """Check, connect, work, drain."""
        s = self._c.settings
        if s.metrics_port is not None:
            serve(s.http_host, s.metrics_port, self._telemetry, self._health)
        first, bulk = self._topics()
        dead = DEAD_LETTERS.name(s.topic_prefix)
        self._check_topics([*first, *bulk, dead])
        registry = Registry(s.registry, s.registry_ca_file)
        _check_trust(registry, DEAD_LETTERS.subject(s.topic_prefix))
        store = self._connected()
        letters = DeadLetters(s.kafka, dead, s.kafka_options)
        group = group_name(SINK_GROUP, s.topic_prefix)
        try:
            lag_s = s.commit_lag_s if s.commit_lag_s is not None else (LAG_ONE_REPLICA_S if store.replicas() == 1 else 0.0)
            lag_us = round(lag_s * 1e6)
            lanes = Lanes(
                Lane("first", list(first), group, s.kafka, s.kafka_options, lag_us),
                Lane("bulk", list(bulk), group, s.kafka, s.kafka_options, lag_us),
            )
            self._lanes = lanes
            judged = {t.name(s.topic_prefix) for t in (TRADES, QUOTES, FEED_STATUS)}
            mapper = Mapper({**first, **bulk}, judged, registry.schema_by_id, Retention(self._c.retention_s))
            self._writer = Writer(lanes, store, letters, self._telemetry)
            polls = Polls(self._tracing)
            self._worker = Worker(lanes, mapper, store, self._writer, self._telemetry, polls)
            if self._stopping:
                return
            _log.info("sink.started", group=group, keyspace=s.keyspace, commit_lag_s=lag_s, topics=len(first) + len(bulk))
            self._worker.run(group)
        finally:
            for lane in self._lanes:
                lane.close()
            letters.close()
            store.close()

    def _topics(self) -> tuple[dict[str, type[Record]], dict[str, type[Record]]]:
        prefix = self._c.settings.topic_prefix
        candles = [t for t in catalogue(self._c.timeframes) if t.dataset.startswith("candles-") and t is not CANDLES_LIVE]
        first = [CANDLES_LIVE, *candles, GAPS, FEED_STATUS]
        named = [{t.name(prefix): t.record for t in topics if t.record is not None} for topics in (first, [TRADES, QUOTES])]
        return named[0], named[1]

    def _check_topics(self, names: list[str]) -> None:
        s = self._c.settings
        attempt = 0
        while not self._stopping:
            try:
                admit(s.kafka, s.kafka_options, of_sink(s.topic_prefix, self._c.timeframes), START_TIMEOUT_S)
                missing = missing_topics(s.kafka, names, s.kafka_options, START_TIMEOUT_S)
            except AdmissionError as error:
                raise FatalError(str(error)) from error
            except (KafkaException, UnreachedError) as error:
                self._wait(attempt, "kafka", error)
                attempt += 1
                continue
            self._telemetry.start_waiting.labels("kafka").set(0)
            if missing:
                raise FatalError(f"no topic {', '.join(missing)}: run `candlewick topics apply` first")
            return
        raise StoppedError("asked to stop before Kafka answered")

    def _connected(self) -> Store:
        # The driver gives up at once while a node is down, so a failed cluster is closed and a new one made.
        s = self._c.settings
        attempt = 0
        while not self._stopping:
            store = None
            try:
                store = Store.connect(s.cassandra, s.keyspace, self._c.access)
                store.prepare(self._c.retention_s, [t.name for t in self._c.timeframes])
                self._telemetry.start_waiting.labels("cassandra").set(0)
                return store
            except FatalError:
                if store is not None:
                    store.close()
                raise
            except Exception as error:
                if store is not None:
                    store.close()
                if retry.judge(error) is not retry.Verdict.TRANSIENT:
                    raise FatalError(f"Cassandra at {s.cassandra}, keyspace {s.keyspace}: {retry.words(error)}") from error
                self._wait(attempt, "cassandra", error)
                attempt += 1
        raise StoppedError("asked to stop before Cassandra answered")

    def _wait(self, attempt: int, what: str, error: Exception) -> None:
        self._telemetry.start_waiting.labels(what).set(1)
        if attempt == 0:
            _log.warning("start.waiting", waiting_for=what, reason=f"{type(error).__name__}: {error}"[:300])
        until = time.monotonic() + retry.delay_s(attempt, random.random())  # noqa: S311 - jitter
        while time.monotonic() < until and not self._stopping:
            time.sleep(0.05)

    def _health(self) -> dict[str, object]:
        assigned = sum(len(lane.assigned) for lane in self._lanes)
        age_s = None if self._writer is None else round(time.monotonic() - self._writer.alive_s, 1)
        live = age_s is None or age_s < STUCK_S  # None: it waits for Kafka or Cassandra, and says so in its log
        return {"live": live, "ready": age_s is not None and live and assigned > 0, "assigned": assigned, "last_turn_s": age_s}

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            os._exit(128 + number)  # asked twice: at once
        self._stopping = True
        if self._worker is not None:
            self._worker.stop()


def _check_trust(registry: Registry, subject: str) -> None:
    # A registry that is away will be back, and records wait for it; one that is not trusted stays so.
    try:
        registry.versions(subject)
    except RegistryUnavailableError as error:
        _log.warning("registry.did_not_answer", reason=str(error))
    except RegistryError as error:
        raise FatalError(str(error)) from error
