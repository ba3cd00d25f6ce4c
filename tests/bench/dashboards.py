"""SHELL (Cassandra). What one viewer of the Market dashboard costs, at two refreshes a second.

The same five queries, once as they are (their text stays the same, the server prepares it once), once with the time in the text
of the two that have a range, as Grafana's macros would put it there (prepared anew at each refresh).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import psutil

from deploy.cassandra.connect import connected
from deploy.grafana.market import market
from schemas.timeframes import HOUR, MINUTE, SECOND
from sink.batches import plan
from sink.overrides import Retention
from sink.retention import days_of, seconds
from sink.rows import candle_row, gap_row, trade_row
from sink.store import Store
from tests.support.feeding import a_candle, a_gap, a_trade
from tests.support.grafana import asked, filled
from tests.support.stack import Space

REFRESHES = 200
VALUES = {"series": "sim:X", "instrument": "sim:X", "timeframe": "1m", "span": "3h"}


def run(space: Space) -> Iterator[dict[str, object]]:
    """Yield one line for each way of asking."""
    now = time.time_ns() // 1000 // MINUTE * MINUTE
    _fill(space, now)
    live = [q.statement for q in asked(market()) if q.kind != "variable"]
    timed = [s.replace("currentTimestamp() - ${span}", "$__timeFrom AND start <= $__timeTo") for s in live]
    node = node_of(space.cassandra)
    with connected(space.cassandra) as session:
        session.set_keyspace(space.keyspace)
        prepared: dict[str, Any] = {}

        def ask(statement: str, moment_ms: int) -> None:
            text = filled(statement, VALUES, moment_ms - 3 * HOUR // 1000, moment_ms)
            if text not in prepared:
                prepared[text] = session.prepare(text)
            for _ in session.execute(prepared[text]):
                pass

        def refresh(statements: Sequence[str]) -> None:
            for statement in statements:
                ask(statement, time.time_ns() // 10**6)

        for name, statements in (("text stays the same", live), ("time in the text", timed)):
            _measure(partial(refresh, statements), 20, node)
            took, cpu_ms = _measure(partial(refresh, statements), REFRESHES, node)
            cuts = statistics.quantiles(took, n=100)
            yield {
                "benchmark": f"dashboard: {name}",
                "refreshes": REFRESHES,
                "queries": len(statements),
                "refresh_p50_ms": round(cuts[49] * 1e3, 1),
                "refresh_p99_ms": round(cuts[98] * 1e3, 1),
                "node_cpu_ms": None if cpu_ms is None else round(cpu_ms, 1),
                "node_cpu_share_at_2_per_s": None if cpu_ms is None else round(cpu_ms * 2 / 1000, 4),
            }


def _measure(refresh: Callable[[], object], times: int, node: psutil.Process | None) -> tuple[list[float], float | None]:
    before = None if node is None else node.cpu_times()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        refresh()
        took.append(time.perf_counter() - began)
    if node is None or before is None:
        return took, None
    after = node.cpu_times()
    return took, (after.user + after.system - before.user - before.system) * 1000 / times


def node_of(address: str) -> psutil.Process | None:
    """Return the process that listens at `address`, where it is one of this machine that we may look at."""
    port = int(address.rpartition(":")[2])
    pids = {c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr and c.laddr.port == port and c.pid}
    return psutil.Process(pids.pop()) if pids else None


def _fill(space: Space, now: int) -> None:
    keep = Retention({name: seconds(days) for name, days in days_of([]).items()} | {"1m": 0})
    rows = [candle_row(a_candle(now - n * MINUTE, 9), keep, now) for n in range(24 * 60)]
    rows += [gap_row(a_gap(now - n * HOUR, now - n * HOUR + MINUTE), keep, now) for n in range(100)]
    rows += [trade_row(a_trade(n, now - n * SECOND // 10), keep, now) for n in range(20_000)]
    store = Store.connect(space.cassandra, space.keyspace)
    try:
        store.prepare({name: seconds(d) for name, d in days_of([]).items()} | {"1m": 30 * 86_400}, ["1m"])
        failed = store.write(plan(rows, now).batches, now)
    finally:
        store.close()
    if failed:
        raise RuntimeError(f"{len(failed)} batches were not written: {failed[0][1]}")
