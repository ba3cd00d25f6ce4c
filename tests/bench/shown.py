"""SHELL (processes, Kafka, Cassandra). From a trade to a dashboard: worker and sink under a steady load while dashboards poll.

Two figures of one symbol's trades, both from the moment of sending. `row`: until the live 1m candle that holds the trade could be
read from Cassandra (asked every 20 ms). `shown`: until a dashboard that refreshes twice a second, all queries of Market and one
for the moment of the newest record, had the answer: so a quarter of a second more in the mean, and half a one at most.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from deploy.cassandra.connect import connected
from deploy.cli.latency import Sighting, latencies_us, percentile
from deploy.console.view import milliseconds
from deploy.grafana.market import market
from schemas import topics
from schemas.codec import Decoder
from schemas.records import Trade
from schemas.registry import Registry
from schemas.timeframes import HOUR, MINUTE, SECOND
from tests.support.grafana import asked, filled
from tests.support.services import Service, wait_until
from tests.support.stack import Space

SYMBOL, SOURCE = "SYM0", "bench"
SERIES = f"{SOURCE}:{SYMBOL}"
VALUES = {"series": SERIES, "instrument": SERIES, "timeframe": "1m", "span": "3h"}
REFRESH_S, POLL_S, WARM_S, TOLD_S = 0.5, 0.02, 5.0, 2.0
NEWEST = "SELECT start, last_event_us FROM candles_1m WHERE series = ? LIMIT 2"


class Viewer:
    """A thread that asks again and again, and remembers when the newest candles were seen."""

    def __init__(self, session: Any, statements: list[str], period_s: float, late_s: float = 0.0) -> None:
        self._session = session
        self._prepared = [session.prepare(s) for s in statements]
        self._newest = session.prepare(NEWEST)
        self._period_s, self._late_s = period_s, late_s
        self._stop = Event()
        self.sightings: list[Sighting] = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic() + self._late_s
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period_s, time.monotonic())
            answers = [self._session.execute_async(statement) for statement in self._prepared]
            newest = list(self._session.execute(self._newest, (SERIES,)))
            for answer in answers:
                answer.result()
            now_us = time.time_ns() // 1000
            self.sightings += [Sighting(now_us, milliseconds(row.start) * 1000, row.last_event_us) for row in newest]

    def end(self) -> None:
        """Stop asking."""
        self._stop.set()
        self._thread.join(10)


def run(space: Space, folder: Path, *, rate: int, symbols: int, viewers: int, seconds: float) -> dict[str, object]:
    """Feed the pipeline for `seconds` while `viewers` dashboards poll, and return the figures.

    Args:
        space: whose topics are empty.
        folder: for logs.
        rate: trades a second, of all symbols.
        symbols: how many trade, in turn.
        viewers: dashboards, one of which is measured.
        seconds: measured, after the warm-up.
    """
    services = [Service(name, space.env, folder) for name in ("processor", "sink")]
    command = [sys.executable, "-m", "tests.bench.steady", space.kafka, space.registry, space.prefix, str(rate), str(symbols)]
    try:
        for service in services:
            service.start()
        with connected(space.cassandra) as session, subprocess.Popen(command) as feeder:
            session.set_keyspace(space.keyspace)
            newest = session.prepare(NEWEST)
            try:
                wait_until(lambda: list(session.execute(newest, (SERIES,))), 60, "a row", services)
                statements = [filled(q.statement, VALUES, 0, HOUR) for q in asked(market()) if q.kind != "variable"]
                watching = [Viewer(session, [], POLL_S)]
                watching += [Viewer(session, statements, REFRESH_S, n * REFRESH_S / viewers) for n in range(viewers)]
                time.sleep(WARM_S)
                began = time.time_ns() // 1000
                time.sleep(seconds + TOLD_S)
                for viewer in watching:
                    viewer.end()
            finally:
                feeder.terminate()
                feeder.wait(30)
        sent = _sent(space, lambda at: began <= at < began + seconds * SECOND)
    finally:
        for service in services:
            service.stop(limit_s=90)
    figures: dict[str, object] = {}
    for name, viewer in (("row", watching[0]), ("shown", watching[1])):
        found = latencies_us(sent, viewer.sightings, MINUTE)
        us = {share: percentile(found, share) for share in (0.5, 0.95, 0.99)}
        figures |= {f"{name}_p{round(s * 100)}_ms": None if v is None else round(v / 1000) for s, v in us.items()}
        figures[f"{name}_seen"] = len(found)
    load = round(os.getloadavg()[0], 1)
    return {"benchmark": "shown", "rate": rate, "viewers": viewers, "trades": len(sent), **figures, "load_average": load}


def _sent(space: Space, wanted: Callable[[int], bool]) -> list[tuple[int, int]]:
    # (event time, moment of sending) of the symbol's trades.
    decode = Decoder(Trade, Registry(space.registry).schema_by_id)
    name, key, found = topics.TRADES.name(space.prefix), SERIES.encode(), []
    consumer = Consumer({"bootstrap.servers": space.kafka, "group.id": "unused", "auto.offset.reset": "earliest"})
    try:
        for number in consumer.list_topics(name, timeout=10).topics[name].partitions:
            end = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=10)[1]
            consumer.assign([TopicPartition(name, number, 0)])
            at = 0
            while at < end:
                for m in consumer.consume(10_000, 1.0):
                    at = (m.offset() or 0) + 1
                    if m.key() == key:
                        trade = decode(m.value())
                        found.append((trade.event_time, trade.receive_time))
    finally:
        consumer.close()
    return [(event, sent) for event, sent in found if wanted(sent)]
