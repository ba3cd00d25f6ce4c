"""SHELL (processes). A month of 50 symbols from a vendor on loopback into Kafka: requests, records a second, and a restart.

The provider's limits are lifted, so that the machine is measured; what they make of it is said beside: `at_the_limit_s`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from confluent_kafka import murmur2
from pydantic import SecretStr

from producer.cluster import survey
from producer.history.budget import Budget
from producer.history.counts import HistoryCounts
from producer.history.finnhub import FinnhubHistory
from producer.history.protocol import Limit
from producer.history.service import History, history_of
from producer.inflight import Lane
from producer.secret import Secret
from schemas.records import HistoryCandle, instrument_of
from schemas.registry import Registry
from schemas.timeframes import DAY
from schemas.topics import HISTORY
from tests.support.services import wait_until
from tests.support.stack import Space

SYMBOLS = tuple(f"BENCH{n}" for n in range(50))
DAYS = 30
PLAN = (Limit(55, 60.0), Limit(25, 1.0))
SOURCE = "finnhub"


def run(space: Space) -> Iterator[dict[str, object]]:
    """Yield the first load, then what a restart needs to know that there is nothing left to do."""
    with _vendor() as url:
        counts = HistoryCounts()
        history = _history(space, url, counts)
        began, cpu = time.perf_counter(), time.process_time()
        history.start(SYMBOLS)
        wait_until(lambda: 0 < counts.bootstrap_wanted_us == counts.bootstrap_settled_us, 600, "the month")
        history.stop()
        seconds = time.perf_counter() - began
        requests, records = counts.requests.total(), counts.records.total()
        yield {
            "benchmark": "bootstrap",
            "symbols": len(SYMBOLS),
            "days": DAYS,
            "requests": requests,
            "at_the_limit_s": round(_paced(requests)),
            "records": records,
            "seconds": round(seconds, 1),
            "per_s": round(records / seconds),
            "cpu_us_a_record": round((time.process_time() - cpu) / records * 1e6, 1),
        }
        again = HistoryCounts()
        history = _history(space, url, again)
        began, cpu = time.perf_counter(), time.process_time()
        history.start(SYMBOLS)
        wait_until(lambda: again.bootstrap_wanted_us > 0, 120, "the second run's plan")
        seconds = time.perf_counter() - began
        history.stop()
        left_s = (again.bootstrap_wanted_us - again.bootstrap_settled_us) / 1e6
        yield {
            "benchmark": "bootstrap_again",
            "seconds": round(seconds, 1),
            "cpu_s": round(time.process_time() - cpu, 1),
            "requests": again.requests.total(),
            "left_s": left_s,
        }


def _paced(requests: int) -> float:
    # When the last of so many requests may be made, by the clock of the budget that makes them.
    budget, now = Budget(PLAN), 0.0
    for _ in range(requests):
        now += budget.wait_s(now, low=True)
        budget.made(now)
    return now


class _Unlimited(FinnhubHistory):
    def __init__(self, url: str) -> None:
        super().__init__(url, Secret("FINNHUB_TOKEN", SecretStr("bench")), per_minute=1, delay_s=3)
        self.limits = ()


def _history(space: Space, url: str, counts: HistoryCounts) -> History:
    cluster = survey(space.kafka, Registry(space.registry), space.prefix, SOURCE, {})
    lanes = {p: Lane(end) for (topic, p), end in cluster.ends.items() if topic == HISTORY.name(space.prefix)}
    return history_of(
        SOURCE,
        lambda: _Unlimited(url),
        kafka=space.kafka,
        registry=cluster.registry,
        prefix=space.prefix,
        schema_id=cluster.schema_ids[HistoryCandle],
        lanes=lanes,
        partition_of=lambda symbol: murmur2(instrument_of(SOURCE, symbol).encode(), cluster.partitions),
        epoch=1,
        back_us=DAYS * DAY,
        counts=counts,
        options={},
    )


@contextmanager
def _vendor() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.bootstrap"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        starts = list(range(int(query["from"][0]) // 60 * 60, int(query["to"][0]) + 1, 60))
        prices = [100.0 + t % 3600 / 100 for t in starts]
        columns = {"t": starts, "o": prices, "h": prices, "l": prices, "c": prices, "v": [t % 977 + 0.5 for t in starts]}
        body = json.dumps({**columns, "s": "ok"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error is the benchmark's."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{server.server_port}/api/v1", flush=True)  # noqa: T201 - the address, for the parent
    server.serve_forever()
