"""SHELL (composition). One run as a source's active producer: everything that writes, made when the lease is held."""

from __future__ import annotations

import random  # noqa: TID251 - jitter is made here and passed down
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from time import time_ns  # noqa: TID251 - the run's epoch is its start

import structlog
from confluent_kafka import KafkaException

from producer.backoff import Backoff
from producer.care import Care
from producer.cluster import Cluster, survey
from producer.dialer import Dialer
from producer.epochs import UnansweredError, newest_epoch
from producer.feed import Chore, FeedLoop
from producer.guard import Guard
from producer.history.service import History, history_of
from producer.hours import Hours, parse_hours
from producer.inbox import Inbox
from producer.intake import Intake
from producer.lease import Lease
from producer.liveness import Liveness
from producer.providers import Provider
from producer.publisher import Publisher
from producer.quiet import Quiet
from producer.roster import Roster
from producer.scrub import masker, scrubber
from producer.sequence import next_epoch
from producer.settings import Settings
from producer.status import Feed
from producer.telemetry import Counts
from producer.tracing import Frames
from schemas.records import HistoryCandle
from schemas.registry import Registry, RegistryError
from schemas.timeframes import DAY
from schemas.tracing import Tracing
from schemas.waiting import until_answered

_log = structlog.get_logger()
LINGER_MS = 5  # batches of a burst, at a delay that no trader sees
LOOK_S = 3.0
Stop = Callable[[], None]


def serve_source(
    settings: Settings,
    provider: Provider,
    lease: Lease,
    counts: Counts,
    stop: Event,
    stops: list[Stop],
    registry: Registry,
    tracing: Tracing | None = None,
) -> None:
    """Serve a source until `stop`, in an epoch of its own; the lease is held.

    Args:
        settings: the shared ones.
        provider: whose source is served.
        lease: held by this process.
        counts: for the metrics.
        stop: ends the run.
        stops: what is called together with the setting of `stop`; filled here.
        registry: knows our schemas already.
        tracing: says which frames are followed; None = none.

    Raises:
        FatalError: Kafka or the registry cannot be used, or another process has taken over.
        StoppedError: told to end while one of them was waited for.
    """
    source = provider.source
    where = settings.kafka, registry, settings.topic_prefix, source.name
    cluster = until_answered(lambda: survey(*where, settings.kafka_options), counts.waiting, stop)
    started_us = time_ns() // 1000
    epoch = counts.epoch = next_epoch(started_us, cluster.last_epoch)
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
        masked=masker(provider.secrets),
        groups=settings.groups,
    )
    counts.last_record_us = dict.fromkeys(source.symbols, 0)
    inbox, without = Inbox(), scrubber(provider.secrets)
    frames = None if tracing is None else Frames(tracing, source.name, settings.topic_prefix, publisher)
    intake = Intake(source, epoch, publisher, counts, without, frames)
    history = _history(settings, provider, cluster, publisher, epoch, counts)
    feed = Feed(source.name, epoch, since=started_us, ids=source.ids, note=provider.note)
    quiet = Quiet(_hours(settings, provider), settings.liveness_records_s)
    loop = FeedLoop(
        source,
        feed,
        publisher,
        inbox,
        counts,
        intake=intake,
        dialer=Dialer(provider.connect, inbox, Backoff(settings.backoff_max_s), random.random, provider.has_new_key),
        care=Care(source, Liveness(settings.liveness_transport_s, _feed_s(settings, provider)), quiet),
        quiet=quiet,
        guard=Guard(lease, epoch, _epochs(settings, source.name, cluster.registry)),
        roster=_roster(settings, provider, feed, counts, history),
        stop=stop,
        without=without,
        chores=[] if history is None else [_fetched(history, intake, inbox)],
    )
    _log.info("producer.started", source=source.name, epoch=epoch, symbols=len(source.symbols), url=provider.where)
    try:
        if history is not None:
            stops.append(history.ask_to_stop)  # while the feed is drained, no long question is begun
            history.start(source.symbols)
        loop.run()
    finally:
        if history is not None:
            history.stop()


def _fetched(history: History, intake: Intake, inbox: Inbox) -> Chore:
    return lambda: history.step(lambda trade, stored: intake.fetched(replace(trade, receive_time=inbox.now_us()), stored))


def _roster(settings: Settings, provider: Provider, feed: Feed, counts: Counts, history: History | None) -> Roster | None:
    if settings.symbols_file is None:
        return None

    def changed(symbols: tuple[str, ...]) -> None:
        counts.last_record_us = {symbol: counts.last_record_us.get(symbol, 0) for symbol in symbols}
        if history is not None:
            history.want(symbols)

    return Roster(provider.source, feed, settings.symbols_file, provider.most_symbols, changed)


def _epochs(settings: Settings, source: str, registry: Registry) -> Callable[[], int | None]:
    def newest() -> int | None:
        where = settings.kafka, settings.kafka_options, registry.schema_by_id, settings.topic_prefix
        try:
            return newest_epoch(*where, source, LOOK_S)
        except (KafkaException, UnansweredError, RegistryError):
            return None

    return newest


def _history(
    settings: Settings, provider: Provider, cluster: Cluster, publisher: Publisher, epoch: int, counts: Counts
) -> History | None:
    if provider.history is None:
        return None
    return history_of(
        provider.source.name,
        provider.history,
        kafka=settings.kafka,
        registry=cluster.registry,
        prefix=settings.topic_prefix,
        schema_id=cluster.schema_ids[HistoryCandle],
        lanes=publisher.history_lanes(),
        partition_of=publisher.partition_of,
        epoch=epoch,
        back_us=settings.bootstrap_days * DAY,
        counts=counts.history,
        options=settings.kafka_options,
        exact=provider.exact,
    )


def _hours(settings: Settings, provider: Provider) -> Hours | None:
    return parse_hours(settings.liveness_hours if settings.liveness_hours is not None else provider.hours)


def _feed_s(settings: Settings, provider: Provider) -> float:
    # What was set for this process wins; else the provider knows how often it has something to say.
    is_set = "liveness_feed_s" in settings.model_fields_set
    return settings.liveness_feed_s if is_set or provider.feed_s is None else provider.feed_s
