"""SHELL (Kafka, HTTP). What this worker publishes, kept hot: told to the cache and to the streams, read back after a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import structlog

from processor import telemetry, warm
from processor.cache import GAPS, MOST, Cache, Found, Place, place_of
from processor.core.vendor_candles import VendorCandles
from processor.events import Hub
from processor.feed_states import changed
from processor.outgoing import Made
from processor.shown import reader, renderer
from schemas import topics
from schemas.codec import SchemaById
from schemas.records import Candle, Gap
from schemas.timeframes import Timeframe

log = structlog.get_logger()
RETRY_S = (1.0, 2.0, 5.0, 10.0)
"""Waits between attempts to read a partition back; the last one stays (our choice)."""


class Hot:
    """The cache of the owned partitions and the streams of their changes."""

    def __init__(
        self,
        cache: Cache,
        hub: Hub,
        new_reader: Callable[[warm.Read], warm.Log],
        schema_by_id: SchemaById,
        prefix: str,
        timeframes: Iterable[Timeframe],
    ) -> None:
        """Make it empty.

        Args:
            cache: filled here.
            hub: told here.
            new_reader: makes a reader of Kafka.
            schema_by_id: finds a writer's schema.
            prefix: first part of every topic's name.
            timeframes: those that have candles.
        """
        self.hub = hub
        self.loaded: set[int] = set()
        """Owned partitions whose cache is complete: their series may be answered for."""
        self.feeds: Callable[[], Iterable[dict[str, Any]]] = list
        """Says how the feeds are; set by whoever knows."""
        self._told: dict[str, str] = {}
        self._cache = cache
        self._new_reader = new_reader
        self._read = reader(schema_by_id)
        self._render = {Candle: renderer(Candle, schema_by_id), Gap: renderer(Gap, schema_by_id)}
        candles = [warm.Back(topics.topic_name(topics.candles_dataset(t.name), prefix), Candle) for t in timeframes]
        # Live candles last: those that are closed by now have a higher version already, and cost nothing.
        self._topics = [warm.Back(topics.GAPS.name(prefix), Gap), *candles, warm.Back(topics.CANDLES_LIVE.name(prefix), Candle)]
        self._filling: asyncio.Task[None] | None = None
        self._reader: warm.Log | None = None

    # What the processor tells

    def own(self, partitions: Collection[int]) -> None:
        """Become the owner of exactly these partitions: forget the others, read these back in the background.

        Those owned before stay answerable: what another worker may have published meanwhile comes with the reading.
        """
        self._stop()
        self.hub.end()
        self._cache.keep(partitions)
        self.loaded.intersection_update(partitions)
        self._filling = asyncio.create_task(self._fill(sorted(partitions)), name="cache")

    def published(self, records: Sequence[Made]) -> None:
        """Take in what Kafka has acknowledged."""
        for made in records:
            if isinstance(made.what, VendorCandles):
                self._published_many(made.what, made)
            else:
                self._cache.put(made.partition, place_of(made.what), made.bodies[0])
                self.hub.publish(made.what)
        # A feed that changes opens or closes gaps, or brings candles: whenever something is published is often enough.
        if self.hub.feeds_wanted:
            self.hub.tell_feeds(changed(self._told, self.feeds()))

    def _published_many(self, many: VendorCandles, made: Made) -> None:
        # Older ones than the cache holds of an entry are nobody's news either.
        first = max(0, len(many) - MOST)
        name, kind = many.origin.series, many.timeframe.name
        starts, versions = many.start[first:].tolist(), many.version[first:].tolist()
        for start, version, body in zip(starts, versions, made.bodies[first:], strict=True):
            self._cache.put(made.partition, Place(name, kind, (start, ""), version), body)
        if self.hub.wanted(name):
            for record in many.records(first):
                self.hub.publish(record)

    # What the pages ask

    def candles(self, series: str, timeframe: str, limit: int) -> Found:
        """Return the newest candles as JSON."""
        return self._cache.newest(series, timeframe, limit, self._render[Candle])

    def gaps(self, series: str, limit: int) -> Found:
        """Return the newest gaps as JSON."""
        return self._cache.newest(series, GAPS, limit, self._render[Gap])

    def __contains__(self, series: str) -> bool:
        return series in self._cache

    @property
    def series(self) -> list[str]:
        """Every series of which something is held."""
        return self._cache.series

    def measure(self) -> Mapping[str, int]:
        """Bring the metrics up to date, and return them for people."""
        telemetry.CACHE_BYTES.set(self._cache.size)
        telemetry.CACHE_RECORDS.set(self._cache.records)
        telemetry.CACHE_EVICTIONS.set(self._cache.evictions)
        return {"cache_bytes": self._cache.size, "cache_records": self._cache.records}

    async def close(self) -> None:
        """Stop reading and end all streams."""
        self.hub.end()
        self._stop()
        if self._filling is not None:
            await asyncio.gather(self._filling, return_exceptions=True)

    def _stop(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        if self._filling is not None:
            self._filling.cancel()

    # Reading back

    async def _fill(self, partitions: Sequence[int]) -> None:
        source = self._reader = self._new_reader(self._read)
        left = [p for p in partitions if p not in self.loaded] + [p for p in partitions if p in self.loaded]
        began = time.monotonic()
        count = attempts = 0
        telemetry.CACHE_PENDING.set(len(left))
        try:
            while left:
                try:
                    count += await warm.fill(self._cache, source, self._topics, left[0])
                except warm.WarmError as error:
                    log.warning("cache.postponed", partition=left[0], error=str(error))
                    await asyncio.sleep(RETRY_S[min(attempts, len(RETRY_S) - 1)])
                    attempts += 1
                    continue
                self.loaded.add(left.pop(0))
                telemetry.CACHE_PENDING.set(len(left))
            seconds = time.monotonic() - began
            telemetry.CACHE_REBUILD_SECONDS.set(seconds)
            log.info("cache.rebuilt", partitions=list(partitions), records=count, seconds=round(seconds, 3), **self.measure())
        except Exception:
            log.exception("cache.failed", partitions=left)  # these stay unanswerable, which /health/ready and the metric tell
        finally:
            source.stop()
            await asyncio.shield(asyncio.to_thread(source.close))
