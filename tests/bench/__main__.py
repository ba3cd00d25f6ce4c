"""SHELL (processes). ``make bench``: every benchmark in one run, one JSON line each; read the ratios, machines differ.

``python -m tests.bench latency pages`` runs only those named. ``BENCH_TRADES`` sets how many trades (default 2,000,000),
``BENCH_FEED_TRADES`` how many a venue sends to the producer (300,000).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deploy.local.ports import choose
from schemas import timeframes
from tests.bench import (
    audit,
    bootstrap,
    consume,
    dashboards,
    feeds,
    history,
    latency,
    load,
    pages,
    processor,
    recovery,
    shown,
    store,
)
from tests.support.published import corner
from tests.support.stack import Servers, running_stack, space_in

STOCK_RECORDS = 20_000
PAGES_TRADES = 500_000
SECONDS = 30.0
MINUTE_S = 75.0
"""Long enough to see one minute close after the warm-up."""

Lines = Iterator[Mapping[str, object]]


def throughput(servers: Servers, folder: Path) -> Lines:
    """How fast topics that are full already are read: bare, by the processor, by the audit, by stock Faust."""
    trades = int(os.environ.get("BENCH_TRADES", "2000000"))
    with space_in(servers, {}) as space:
        began = time.perf_counter()
        filled = load.fill(space.kafka, space.registry, space.prefix, trades=trades, symbols=50)
        seconds = time.perf_counter() - began
        yield {"benchmark": "produce", "records": trades, "seconds": round(seconds, 2), "per_s": round(trades / seconds)}
        bare = consume.bare(space.kafka, space.prefix, filled)
        yield bare
        ours = processor.run(space.env, space.prefix, filled, choose({"metrics": 0})["metrics"], folder)
        share = float(str(ours["per_s"])) / float(str(bare["per_s"]))
        yield {**ours, "share_of_bare": round(share, 3)}
        yield audit.run(space.env, filled)
        stock = [sys.executable, "-m", "tests.bench.stock_faust", space.kafka, space.prefix, str(STOCK_RECORDS)]
        done = subprocess.run(stock, capture_output=True, text=True, timeout=300, check=True)
        yield json.loads(done.stdout.splitlines()[-1])


def latencies(servers: Servers, folder: Path) -> Lines:
    """From a trade to its live candle and from a window's end to the final one, at two rates; with 1s windows there are many."""
    for rate in (1_000, 20_000):
        with corner(servers, f"1s,{timeframes.DEFAULT}") as space:
            yield latency.run(space, folder, rate=rate, symbols=50, seconds=SECONDS)


def many_series(servers: Servers, folder: Path) -> Lines:
    """5,000 series at 20,000 trades/s: what they cost, and what becomes of latency."""
    with corner(servers, timeframes.DEFAULT) as space:
        yield {**latency.run(space, folder, rate=20_000, symbols=5_000, seconds=MINUTE_S), "benchmark": "many_series"}


def recoveries(servers: Servers, folder: Path) -> Lines:
    """A restart with the state of 500 series, after a short and a long history."""
    with space_in(servers, {}) as space:
        yield from recovery.run(space, folder)


def answers(servers: Servers, folder: Path) -> Lines:
    """The processor's pages, while it catches up and afterwards."""
    with space_in(servers, {}) as space:
        filled = load.fill(space.kafka, space.registry, space.prefix, trades=PAGES_TRADES, symbols=50)
        yield pages.run(space, filled, folder)


def stores(servers: Servers, folder: Path) -> Lines:
    """Yield the sink's rates beside the bare driver's, and what a viewer of the dashboards costs."""
    # No commit lag: each sink would first read again what the one before has written.
    with space_in(servers, {"CANDLEWICK_COMMIT_LAG_S": "0"}) as space:
        yield from store.run(space, folder)
        yield from dashboards.run(space)


def dashboards_shown(servers: Servers, folder: Path) -> Lines:
    """From a trade to Cassandra and to a dashboard that polls it, one viewer and ten."""
    for viewers in (1, 10):
        with space_in(servers, {}) as space:
            yield shown.run(space, folder, rate=1_000, symbols=50, viewers=viewers, seconds=SECONDS)


def months(servers: Servers, folder: Path) -> Lines:
    """Thirty days of 50 symbols from a vendor into Kafka, and what a restart needs to know that nothing is left to do."""
    with corner(servers) as space:
        yield from bootstrap.run(space)


def histories(servers: Servers, folder: Path) -> Lines:
    """The same month, in its topic already, into candles."""
    with corner(servers, timeframes.DEFAULT) as space:
        yield history.run(space, folder)


def venues(servers: Servers, folder: Path) -> Lines:
    """A producer of each source under a venue that floods it, down to acknowledged records."""
    yield from feeds.run(corner, servers, folder)


ALL: dict[str, Callable[[Servers, Path], Lines]] = {
    "throughput": throughput,
    "feeds": venues,
    "latency": latencies,
    "many-series": many_series,
    "recovery": recoveries,
    "bootstrap": months,
    "history": histories,
    "pages": answers,
    "store": stores,
    "shown": dashboards_shown,
}


def main() -> None:
    """Run the benchmarks named on the command line, or all, each in a corner of its own of one stack."""
    wanted = sys.argv[1:] or list(ALL)
    if unknown := set(wanted) - ALL.keys():
        sys.exit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    with running_stack() as servers:
        for name in wanted:
            with tempfile.TemporaryDirectory() as folder:
                for line in ALL[name](servers, Path(folder)):
                    print(json.dumps(line), flush=True)  # noqa: T201  # the result


if __name__ == "__main__":
    main()
