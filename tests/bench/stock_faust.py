"""SHELL (Kafka, through Faust). The same topic through stock Faust: one event a record, decoded by fastavro, counted by minute.

Run as a process of its own: ``python -m tests.bench.stock_faust KAFKA PREFIX RECORDS``; it prints one JSON line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import faust

from schemas import topics
from schemas.avro import schema_of
from schemas.codec import Decoder
from schemas.records import Trade


def main() -> None:
    """Read the given number of records with an agent as the manual shows it, then stop."""
    kafka, prefix, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    app = faust.App(
        f"{prefix}-stock-{os.getpid()}",
        broker=f"kafka://{kafka}",
        consumer_auto_offset_reset="earliest",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
    )
    topic = app.topic(topics.TRADES.name(prefix), key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw")
    decode = Decoder(Trade, lambda _: schema_of(Trade))
    highs: dict[tuple[str, int], float] = {}

    async def count(stream: Any) -> None:
        read, began, cpu = 0, 0.0, 0.0
        async for value in stream:
            if not read:
                began, cpu = time.perf_counter(), time.process_time()
            trade = decode(value)
            place = (trade.symbol, trade.event_time // 60_000_000)
            highs[place] = max(highs.get(place, 0.0), trade.price)
            read += 1
            if read >= wanted:
                seconds = time.perf_counter() - began
                micros = (time.process_time() - cpu) / read * 1e6
                line = {"records": read, "seconds": round(seconds, 2), "per_s": round(read / seconds), "cpu_us": round(micros, 2)}
                print(json.dumps({"benchmark": "stock_faust", **line}), flush=True)  # noqa: T201  # the result
                os._exit(0)  # a figure is all that is wanted of this process

    app.agent(topic)(count)
    faust.Worker(app, loglevel="info").execute_from_commandline()


if __name__ == "__main__":
    main()
