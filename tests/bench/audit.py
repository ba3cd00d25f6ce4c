"""SHELL (processes). `candlewick audit`, one process, over a topic whose candles the processor has published."""

from __future__ import annotations

import json
import resource
import time

from tests.bench.load import Load
from tests.support.services import candlewick


def run(settings: dict[str, str], load: Load) -> dict[str, object]:
    """Audit Kafka alone, from the start of the command to its end; raises AssertionError where anything differs."""
    began, cpu = time.perf_counter(), _cpu_s()
    report = json.loads(candlewick(settings, "audit", "--kafka-only", "--json", limit_s=600))
    seconds, used = time.perf_counter() - began, _cpu_s() - cpu
    compared = report["counts"]["candles compared in kafka"]
    assert report["clean"], report["differences"][:5]
    assert report["records"] == load.trades
    return {
        "benchmark": "audit",
        "records": load.trades,
        "seconds": round(seconds, 2),
        "per_s": round(load.trades / seconds),
        "cpu_us": round(used / load.trades * 1e6, 2),
        "candles": compared,
    }


def _cpu_s() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
