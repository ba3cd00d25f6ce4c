"""SHELL (process). The producer's composition root: settings to objects to a run that a signal ends."""

from __future__ import annotations

import json
import random  # noqa: TID251 - jitter is made here and passed down
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic, time_ns  # noqa: TID251 - the run's epoch is its start

import structlog

from producer.backoff import Backoff
from producer.care import Care
from producer.cluster import Cluster, survey
from producer.feed import Chore, FeedLoop
from producer.history.service import History, history_of
from producer.inbox import Inbox
from producer.intake import Intake
from producer.liveness import Liveness
from producer.pace import Rate
from producer.providers import Provider, module_of
from producer.publisher import Publisher
from producer.replay import Replay
from producer.sequence import next_epoch
from producer.settings import Settings
from producer.status import Feed
from producer.telemetry import Counts, serve
from schemas.records import HistoryCandle
from schemas.timeframes import DAY

_log = structlog.get_logger()
LINGER_MS = 5  # batches of a burst, at a delay that no trader sees


def run_provider(settings: Settings, name: str) -> None:
    """Serve a provider until SIGTERM or SIGINT.

    Raises:
        SettingsError: the provider's settings are missing or wrong.
        FatalError: Kafka or the registry cannot be used.
    """
    _serve(settings, module_of(name).build(settings))


def _serve(settings: Settings, provider: Provider) -> None:
    source = provider.source
    cluster = survey(settings.kafka, settings.registry, settings.topic_prefix, source.name, settings.kafka_options)
    started_us = time_ns() // 1000
    epoch = next_epoch(started_us, cluster.last_epoch)
    counts = Counts()
    publisher = Publisher(
        settings.kafka,
        source.name,
        prefix=settings.topic_prefix,
        schema_ids=cluster.schema_ids,
        ends=cluster.ends,
        partitions=cluster.partitions,
        counts=counts,
        linger_ms=LINGER_MS,
        options=settings.kafka_options,
    )
    inbox = Inbox()
    intake = Intake(source, epoch, publisher, counts)
    history = _history(settings, provider, cluster, publisher, epoch, counts)
    chores: list[Chore] = []
    if history is not None:
        step = history.step
        chores.append(lambda: step(lambda trade, stored: intake.fetched(replace(trade, receive_time=inbox.now_us()), stored)))
    loop = FeedLoop(
        source,
        Feed(source.name, epoch, since=started_us, ids=source.ids, note=provider.note),
        publisher,
        inbox,
        counts,
        intake=intake,
        connect=provider.connect,
        care=Care(source, Liveness(settings.liveness_transport_s, _feed_s(settings, provider))),
        backoff=Backoff(settings.backoff_max_s),
        chance=random.random,
        chores=chores,
    )
    _stop_on_signals(loop.stop, *([history.ask_to_stop] if history else []))
    _log.info("producer.started", source=source.name, epoch=epoch, symbols=len(source.symbols), url=provider.where)
    try:
        if history is not None:
            history.start(source.symbols)
        _run(settings, loop, source.name, epoch, counts)
    finally:
        if history is not None:
            history.stop()


def _run(settings: Settings, loop: FeedLoop, name: str, epoch: int, counts: Counts) -> None:
    if settings.metrics_port is None:
        loop.run()
        return
    begun = monotonic()
    health = lambda: {  # noqa: E731 - one expression, evaluated for each question
        "source": name,
        "state": counts.state,
        "epoch": epoch,
        "last_frame_us": counts.last_frame_us,
        "up_s": round(monotonic() - begun, 1),
    }
    with serve(settings.http_host, settings.metrics_port, name, counts, health):
        loop.run()


def _history(
    settings: Settings, provider: Provider, cluster: Cluster, publisher: Publisher, epoch: int, counts: Counts
) -> History | None:
    if provider.history is None:
        return None
    return history_of(
        provider.source.name,
        provider.history,
        kafka=settings.kafka,
        registry=settings.registry,
        prefix=settings.topic_prefix,
        schema_id=cluster.schema_ids[HistoryCandle],
        lanes=publisher.history_lanes(),
        epoch=epoch,
        back_us=settings.bootstrap_days * DAY,
        counts=counts.history,
        options=settings.kafka_options,
        exact=provider.exact,
    )


def _feed_s(settings: Settings, provider: Provider) -> float:
    # What was set for this process wins; else the provider knows how often it has something to say.
    is_set = "liveness_feed_s" in settings.model_fields_set
    return settings.liveness_feed_s if is_set or provider.feed_s is None else provider.feed_s


def run_replay(settings: Settings, paths: Sequence[Path], source: str, rate: Rate, *, finish: bool) -> None:
    """Replay recordings and print the summary; SIGTERM or SIGINT ends it early, in order.

    Raises:
        FatalError: a file, Kafka or the registry cannot be used.
    """
    run = Replay(paths, settings, source=source, rate=rate, finish=finish)
    _stop_on_signals(run.stop)
    print(json.dumps(run.run().as_dict()))  # noqa: T201 - the summary is the command's answer


def _stop_on_signals(*stops: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: [stop() for stop in stops])
