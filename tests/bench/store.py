"""SHELL (processes, Kafka, Cassandra). Rows a second into Cassandra: the whole sink, beside what the bare driver can do here.

The driver alone is given the same rows ready-made, in the same batches of one partition, with as many requests under way: what is
then left is its own work and the node's; the better of two runs counts, one before the sink's and one after it. The sink also
reads Kafka, decodes, checks, coalesces and waits before it commits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Semaphore
from typing import Any, cast

import psutil
from cassandra.query import BatchStatement, BatchType

from schemas.records import Candle, Record, Trade
from schemas.timeframes import MINUTE
from sink.batches import Batch, bound, plan
from sink.overrides import Retention
from sink.retention import days_of, seconds
from sink.rows import candle_row, trade_row
from sink.store import IN_FLIGHT, Store
from sink.tables import statements
from tests.bench.dashboards import node_of
from tests.support.feeding import Feed, a_candle, a_trade, feeding
from tests.support.services import Service
from tests.support.stack import Space

TRADES, CANDLES, SYMBOLS = 150_000, 75_000, 50
POLL_S = 0.02
WARM_UP = "warm-up"


def run(space: Space, folder: Path) -> Iterator[dict[str, object]]:
    """Yield one line a kind of row; every rate is in rows a second, `share` is the sink's part of the bare driver's.

    `share_by_cpu` is the same of rows a CPU second, of the process and the node together: what others run beside it changes less.

    Args:
        space: with COMMIT_LAG_S=0, or each sink would first read again what the one before has written.
        folder: for the logs.
    """
    now = time.time_ns() // 1000 // MINUTE * MINUTE
    trades = [a_trade(n, now - (TRADES - n) * 1000, symbol=f"S{n % SYMBOLS}") for n in range(TRADES)]
    for name, records, per_record in (
        # The node compiles what it runs often: its first rows cost it twice as much, ours more than those of the driver after us.
        (WARM_UP, trades, 1),
        ("trades", trades, 1),
        ("candles, open", _candles(now, "open", closed=False), 1),
        # Twice the rows: each closed candle is also a version of its own.
        ("candles, closed", _candles(now, "closed", closed=True), 2),
    ):
        with feeding(space) as feed:
            before = _bare(feed, records, now)  # the node may still be warming up
            ours, cpu_us, node_us = _sink(feed, records, folder / name.replace(", ", "-"))
            bare, bare_cpu_us, bare_node_us = max(before, _bare(feed, records, now))
        if name == WARM_UP:
            continue
        yield {
            "benchmark": f"store: {name}",
            "records": len(records),
            "records_per_s": round(ours),
            "rows_per_s": round(ours * per_record),
            "bare_rows_per_s": round(bare),
            "share": round(ours * per_record / bare, 3),
            "cpu_us_a_row": round(cpu_us / per_record, 1),
            "bare_cpu_us_a_row": round(bare_cpu_us, 1),
            "node_cpu_us_a_row": round(node_us / per_record, 1),
            "bare_node_cpu_us_a_row": round(bare_node_us, 1),
            "share_by_cpu": round((bare_cpu_us + bare_node_us) * per_record / (cpu_us + node_us), 3),
        }


def _candles(now: int, name: str, *, closed: bool) -> list[Candle]:
    return [a_candle(now - (n // SYMBOLS) * MINUTE, 9, closed=closed, series=f"sim:{name}{n % SYMBOLS}") for n in range(CANDLES)]


def _bare(feed: Feed, records: Sequence[Record], now: int) -> tuple[float, float, float]:
    keep = Retention({name: seconds(days) for name, days in days_of([]).items()} | {"1m": 30 * 86_400})
    rows = [candle_row(r, keep, now) if isinstance(r, Candle) else trade_row(cast(Trade, r), keep, now) for r in records]
    batches = plan(rows, now).batches
    store = Store.connect(feed.space.cassandra, feed.space.keyspace)
    try:
        session: Any = store._session
        insert = session.prepare(statements(feed.space.keyspace, ["1m"])[rows[0].table])
        slots = Semaphore(IN_FLIGHT)
        node = node_of(feed.space.cassandra)
        began, cpu, node_cpu = time.perf_counter(), time.process_time(), _cpu_s(node)
        for batch in batches:
            slots.acquire()
            future = session.execute_async(_statement(insert, batch, now))
            future.add_callbacks(lambda _rows: slots.release(), lambda _error: slots.release())
        for _ in range(IN_FLIGHT):
            slots.acquire()
        lasted, used, node_used = time.perf_counter() - began, time.process_time() - cpu, _cpu_s(node) - node_cpu
        return len(rows) / lasted, used * 1e6 / len(rows), node_used * 1e6 / len(rows)
    finally:
        store.close()


def _statement(insert: Any, batch: Batch, now: int) -> BatchStatement:
    whole = BatchStatement(BatchType.UNLOGGED)
    for row in batch:
        whole.add(insert.bind(bound(row, now)))
    return whole


def _sink(feed: Feed, records: Sequence[Record], folder: Path) -> tuple[float, float, float]:
    folder.mkdir()
    feed.send(records)
    end = sum(feed.ends.values())

    def reached() -> int:
        return sum(n for partition, n in feed.positions().items() if partition in feed.ends)

    before = reached()  # what a sink before this one has said of the same topic: its own start is not part of the rate
    sink = Service("sink", feed.space.env, folder).start()
    try:
        process, node = psutil.Process(sink.pid), node_of(feed.space.cassandra)
        first: tuple[float, int, float, float] | None = None
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            at = reached()
            if first is None and at > before:
                first = time.perf_counter(), at, _cpu_s(process), _cpu_s(node)
            if first is not None and at >= end:
                written = end - first[1]
                used, node_used = _cpu_s(process) - first[2], _cpu_s(node) - first[3]
                return written / (time.perf_counter() - first[0]), used * 1e6 / written, node_used * 1e6 / written
            time.sleep(POLL_S)
        raise TimeoutError(f"the sink did not write everything\n{sink.tail()}")
    finally:
        sink.stop()


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    used = process.cpu_times()
    return float(used.user + used.system)
