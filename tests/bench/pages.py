"""SHELL (processes, HTTP). The processor's pages: reading the cache back, and answers while idle and while it works."""

from __future__ import annotations

import http.client
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from schemas.timeframes import parse_list
from tests.bench.load import START, Load
from tests.support.feeding import a_candle, feeding
from tests.support.pages import Pages
from tests.support.services import Service, wait_until
from tests.support.stack import Space

SERIES = 50
CANDLES = 1000
CLIENTS = 4
QUESTIONS = 1000


def run(space: Space, load: Load, folder: Path) -> dict[str, object]:
    """Fill the candle topics, start a processor with trades to catch up with, and ask until well after that.

    Args:
        space: with `load` in its topics, which no processor has read.
        load: what was written.
        folder: for the log.
    """
    timeframes = parse_list("1m,5m,15m,1h,4h,1d")
    with feeding(space) as feed:
        for timeframe in timeframes:
            first = timeframe.start_of(START) - CANDLES * timeframe.us
            feed.send(
                a_candle(
                    first + n * timeframe.us,
                    n + 1,
                    series=f"bench:OLD{s}",
                    timeframe=timeframe.name,
                    end=first + (n + 1) * timeframe.us,
                )
                for s in range(SERIES)
                for n in range(CANDLES)
            )
    service = Service("processor", space.env, folder).start()
    pages = Pages(service)
    try:
        wait_until(lambda: pages.url, 60, "an address", [service])
        busy = _until_done(pages, load.trades)
        pages.wait_rebuilt(120)
        rebuilt = pages.metric("candlewick_processor_cache_rebuild_seconds")
        cold = [_ask(pages, f"/candles/bench:OLD{s}/1m") for s in range(SERIES)]
        warm = [_ask(pages, f"/candles/bench:OLD{n % SERIES}/1m") for n in range(QUESTIONS)]
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(lambda c: [_ask(pages, f"/candles/bench:OLD{c}/5m") for _ in range(QUESTIONS)], range(CLIENTS)))
        per_s = CLIENTS * QUESTIONS / (time.perf_counter() - began)
        memory = psutil.Process(service.pid).memory_info().rss
        records, size = (pages.metric(f"candlewick_processor_cache_{name}") for name in ("records", "bytes"))
    finally:
        service.stop()
    return {
        "benchmark": "pages",
        "cache_records": round(records),
        "cache_mb": round(size / 1e6),
        "rss_mb": round(memory / 1e6),
        "rebuild_s": round(rebuilt, 2),
        **_quantiles("first_read", cold),
        **_quantiles("read_1000", warm),
        "read_1000_per_s": round(per_s),
        **_quantiles("health_while_catching_up", busy),
    }


def _until_done(pages: Pages, trades: int) -> list[float]:
    times = []
    deadline = time.monotonic() + 300
    name = 'candlewick_processor_records_total{topic="trades"}'
    while pages.metric(name, 0.0) < trades:
        times.append(_ask(pages, "/health/live"))
        if time.monotonic() > deadline:
            raise TimeoutError("the processor did not take everything")
    return times or [0.0]


def _ask(pages: Pages, path: str) -> float:
    connection = http.client.HTTPConnection(pages.url.removeprefix("http://"), timeout=30)
    began = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    seconds = time.perf_counter() - began
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path} answered {response.status}")
    return seconds


def _quantiles(name: str, seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100) if len(seconds) > 1 else seconds * 99
    return {f"{name}_p50_ms": round(cuts[49] * 1e3, 2), f"{name}_p99_ms": round(cuts[98] * 1e3, 2)}
