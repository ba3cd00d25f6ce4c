"""SHELL (processes). A worker that starts with the state of 500 series: until it owns them, and until its first candle is out.

Twice, after three hours of history and after six: what recovery costs must depend on what is kept (2 h 10 min), not on what was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from schemas import topics
from schemas.timeframes import HOUR, MINUTE, SECOND
from tests.bench import load
from tests.support.services import Service, wait_until
from tests.support.stack import Space

SERIES = 500
TRADES_A_MINUTE = 5 * SERIES
HOURS = (3, 6)


def run(space: Space, folder: Path) -> Iterator[dict[str, object]]:
    """Yield one result for each length of history."""
    written, first = 0, load.START
    # The load is of years ago: declared down for its silence, its producer's clock would jump to now, and nothing be kept.
    service = Service("processor", {**space.env, "CANDLEWICK_PRODUCER_SILENT_S": "3600"}, folder)
    with _reader(space) as reader:
        for hours in HOURS:
            span = load.START + hours * HOUR - first
            written += _fill(space, first, span)
            first += span + 10 * SECOND
            service.start()
            _wait_committed(space, reader, written, service)
            began = time.monotonic()
            service.stop()
            stopped = time.monotonic() - began

            written += _fill(space, first, MINUTE)  # waits on the topic, so that there is something to put out
            first += MINUTE + 10 * SECOND
            before = _end(space, reader)
            service.start()
            began, clock = time.monotonic(), time.time()
            wait_until(lambda before=before: _end(space, reader) > before, 120, "a candle", [service])  # type: ignore[misc]
            out = time.monotonic() - began
            assigned = _last(service, "partitions.assigned")
            _wait_committed(space, reader, written, service)
            service.stop()
            yield {
                "benchmark": "recovery",
                "series": assigned["series_restored"],
                "hours": hours,
                "state_records": assigned["state_records"],
                "restore_s": assigned["seconds"],
                "assigned_to_candle_s": round(clock + out - (_seconds(assigned) - assigned["seconds"]), 2),
                "start_to_candle_s": round(out, 2),
                "stop_s": round(stopped, 2),
            }


def _fill(space: Space, first: int, span: int) -> int:
    trades = TRADES_A_MINUTE * span // MINUTE
    load.fill(space.kafka, space.registry, space.prefix, trades=trades, symbols=SERIES, first=first, span=span)
    return trades


def _reader(space: Space) -> Any:
    return Consumer({"bootstrap.servers": space.kafka, "group.id": topics.group_name("processor", space.prefix)})


def _places(space: Space, topic: str, reader: Any) -> list[TopicPartition]:
    return [TopicPartition(topic, p) for p in reader.list_topics(topic, timeout=10).topics[topic].partitions]


def _end(space: Space, reader: Any) -> int:
    places = _places(space, topics.topic_name(topics.candles_dataset("1m"), space.prefix), reader)
    return sum(reader.get_watermark_offsets(place, timeout=10)[1] for place in places)


def _wait_committed(space: Space, reader: Any, trades: int, service: Service) -> None:
    places = _places(space, topics.TRADES.name(space.prefix), reader)
    wait_until(lambda: sum(max(0, t.offset) for t in reader.committed(places, timeout=10)) >= trades, 300, "commits", [service])


def _last(service: Service, event: str) -> dict[str, Any]:
    lines = service.log.read_text(errors="replace").splitlines()
    found: dict[str, Any] = json.loads([x[x.index("{") :] for x in lines if f'"event": "{event}"' in x][-1])
    return found


def _seconds(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
