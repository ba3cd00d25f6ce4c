"""SHELL (processes). The real processor, one worker, from the first record taken until everything is delivered and committed."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path

import psutil
from confluent_kafka import Consumer, TopicPartition

from schemas import topics
from tests.bench.load import Load
from tests.support.services import Service

LIMIT_S = 300


def run(settings: dict[str, str], prefix: str, load: Load, port: int, folder: Path) -> dict[str, object]:
    """Start ``python -m processor`` on a topic that is full already and time it to the end."""
    service = Service("processor", {**settings, "CANDLEWICK_METRICS_PORT": str(port)}, folder)
    reader = Consumer({"bootstrap.servers": settings["CANDLEWICK_KAFKA"], "group.id": topics.group_name("processor", prefix)})
    places = [TopicPartition(topics.TRADES.name(prefix), p) for p in range(load.partitions)]
    service.start()
    try:
        process = psutil.Process(service.pid)
        deadline = time.monotonic() + LIMIT_S
        began = cpu = 0.0
        while not began:
            if _taken(port) > 0:
                began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
            elif time.monotonic() > deadline:
                raise TimeoutError("the processor took nothing")
            else:
                time.sleep(0.02)  # a sampling period: the metrics page has no event to wait for
        while sum(max(0, t.offset) for t in reader.committed(places, timeout=10)) < load.trades:
            if time.monotonic() > deadline:
                raise TimeoutError("the processor did not commit everything")
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        used = sum(process.cpu_times()[:2]) - cpu
        memory = process.memory_info().rss
    finally:
        service.stop()
        reader.close()
    return {
        "benchmark": "processor",
        "records": load.trades,
        "seconds": round(seconds, 2),
        "per_s": round(load.trades / seconds),
        "cpu_us": round(used / load.trades * 1e6, 2),
        "rss_mb": round(memory / 1e6),
        "timeframes": 6,
    }


def _taken(port: int) -> float:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as page:
            lines = page.read().decode().splitlines()
    except OSError:
        return 0.0
    return next((float(x.split()[-1]) for x in lines if x.startswith('candlewick_processor_records_total{topic="trades"}')), 0.0)
