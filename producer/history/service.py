"""SHELL (thread, clocks). The history's loop: hears gaps, asks the provider within its limits, writes what came."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Event, Thread
from time import monotonic, time_ns  # noqa: TID251 - when replies are read, and when gaps are over
from typing import Any

import structlog

from producer.errors import FatalError
from producer.history.budget import Budget
from producer.history.counts import HistoryCounts
from producer.history.handover import Handover, Publish
from producer.history.planner import Planner, Turn
from producer.history.protocol import BusyError, HistoryClient, Page, RefusedError, UnavailableError
from producer.history.reader import Reader
from producer.history.writer import HistoryWriter
from producer.inflight import Lane
from schemas.records import HistoryCandle
from schemas.registry import Registry

_log = structlog.get_logger()
IDLE_S = 0.25  # longest sleep: gaps are due by the clock too
STORE_S = 60.0  # for Kafka to take what a reply brought
JOIN_S = 12.0  # a request that is under way may last 10 s
PROGRESS_S = 30.0  # between two lines about a bootstrap


class History:
    """One source's history, in a thread of its own from ``start`` to ``stop``.

    Start it when this process is the source's active producer. What it had begun and not answered is asked again by the next
    run: candles are the same whoever writes them, so that no lock is needed against a predecessor that wakes up late.
    """

    def __init__(
        self,
        make_client: Callable[[], HistoryClient],
        make_planner: Callable[[HistoryClient], Planner],
        reader: Reader,
        writer: HistoryWriter,
        counts: HistoryCounts,
    ) -> None:
        self._make_client = make_client
        self._make_planner = make_planner
        self._reader = reader
        self._writer = writer
        self._counts = counts
        self._handover = Handover()
        self._wanted: queue.SimpleQueue[tuple[str, ...]] = queue.SimpleQueue()
        self._stop = Event()
        self._failure: str | None = None
        self._thread = Thread(target=self._run, name="history", daemon=True)
        self._told_s = 0.0

    def start(self, symbols: tuple[str, ...]) -> None:
        """Begin the thread; the past of `symbols` is loaded."""
        self.want(symbols)
        self._thread.start()

    def want(self, symbols: tuple[str, ...]) -> None:
        """Load the past of those of `symbols` that are new. Any thread."""
        self._wanted.put(symbols)

    def step(self, publish: Publish) -> bool:
        """Publish some of the trades that wait; return whether more do. The feed's loop, in every turn.

        Raises:
            FatalError: the history's thread has failed.
        """
        if self._failure is not None:
            raise FatalError(self._failure)
        return self._handover.step(publish)

    def ask_to_stop(self) -> None:
        """Begin no further request. Any thread, also a signal handler's."""
        self._stop.set()

    def stop(self) -> None:
        """End the thread. One that waits for a reply is left behind; it writes nothing any more."""
        self._stop.set()
        self._handover.wake()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        client: HistoryClient | None = None
        try:
            client = self._make_client()
            _Work(client, self._make_planner(client), self._reader, self._writer, self._counts, self._handover).run(
                self._wanted, self._stop
            )
            self._writer.flush(STORE_S)
        except FatalError as error:
            self._failure = str(error)
        except Exception as error:
            # Not hidden: the loop ends the process with it. Its text is not logged, for it may hold what a provider was told.
            self._failure = f"a mistake in the history: {type(error).__name__}"
            _log.error("history.broke", kind=type(error).__name__, at=_place(error))
        finally:
            self._reader.close()
            if client is not None:
                client.close()


class _Work:
    """What the thread does, and what only it touches."""

    def __init__(
        self,
        client: HistoryClient,
        planner: Planner,
        reader: Reader,
        writer: HistoryWriter,
        counts: HistoryCounts,
        handover: Handover,
    ) -> None:
        self._client = client
        self._planner = planner
        self._reader = reader
        self._writer = writer
        self._counts = counts
        self._handover = handover
        self._budget = Budget(client.limits)
        self._told_s = 0.0

    def run(self, wanted: queue.SimpleQueue[tuple[str, ...]], stop: Event) -> None:
        """Serve until `stop`; raises FatalError when Kafka does not take or give what it must."""
        self._reader.catch_up(self._planner, _now_us(), stop.is_set)
        while not stop.is_set():
            while not wanted.empty():
                self._planner.bootstrap.begin(wanted.get(), _now_us())
            self._write(self._planner.unasked(_now_us()))
            self._tell_progress()
            turn = self._planner.next(_now_us())
            wait_s = IDLE_S if turn is None else self._budget.wait_s(monotonic(), low=turn.low)
            self._reader.hear(self._planner, min(wait_s, IDLE_S))
            self._writer.poll()
            if turn is not None and wait_s <= 0.0 and not stop.is_set():
                self._ask(turn, stop)

    def _ask(self, turn: Turn, stop: Event) -> None:
        self._budget.made(monotonic())
        page = self._page(turn)
        if page is None or stop.is_set():
            return
        now_us = _now_us()
        if page.trades:
            trades = [replace(trade, backfill=True) for trade in page.trades]
            if not self._handover.deliver(trades, STORE_S, stop.is_set):
                return
            self._counts.trades += len(trades)
        records, dropped = self._planner.answered(turn, page, now_us)
        self._counts.dropped.update(dropped)
        self._write(records)

    def _page(self, turn: Turn) -> Page | None:
        symbol = turn.question.symbol
        try:
            page = self._client.ask(turn.question, _now_us())
        except BusyError as error:
            self._counts.requests["busy"] += 1
            self._budget.busy(monotonic(), error.wait_s)
            _log.warning("history.was_throttled", symbol=symbol, reason=str(error))
        except UnavailableError as error:
            self._counts.requests["unavailable"] += 1
            self._budget.failed(monotonic())
            _log.warning("history.was_unavailable", symbol=symbol, reason=str(error))
            self._write(self._planner.failed(turn, str(error), _now_us()))
        except RefusedError as error:
            self._counts.requests["refused"] += 1
            self._budget.answered()
            _log.warning("history.was_refused", symbol=symbol, reason=error.reason, scope=error.scope)
            self._write(self._planner.refused(turn, error, _now_us()))
        else:
            self._budget.answered()
            self._counts.requests["doubtful" if page.doubt else "answered"] += 1
            return page
        return None

    def _write(self, records: list[HistoryCandle]) -> None:
        for record in records:
            self._writer.send(record)
            if record.record == "result":
                self._counts.results[record.origin, record.outcome] += 1
                if record.gap_id is not None:
                    _log.info("gap.was_answered", gap=record.gap_id, outcome=record.outcome, reason=record.reason)

    def _tell_progress(self) -> None:
        planner, counts = self._planner, self._counts
        before = counts.bootstrap_wanted_us - counts.bootstrap_settled_us
        left = planner.bootstrap.left_us
        counts.gaps_waiting = len(planner.gaps.waiting)
        counts.bootstrap_wanted_us = planner.bootstrap.wanted_us
        counts.bootstrap_settled_us = planner.bootstrap.wanted_us - left
        now_s = monotonic()
        if (left and now_s - self._told_s >= PROGRESS_S) or (before and not left):
            self._told_s = now_s
            share = round(counts.bootstrap_settled_us / counts.bootstrap_wanted_us, 3)
            _log.info("bootstrap.progressed", done=share, candles=counts.records["candle"], requests=counts.requests.total())


def _now_us() -> int:
    return time_ns() // 1000


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"


def history_of(
    provider_name: str,
    make_client: Callable[[], HistoryClient],
    *,
    kafka: str,
    registry: str,
    prefix: str,
    schema_id: int,
    lanes: Mapping[int, Lane],
    epoch: int,
    back_us: int,
    counts: HistoryCounts,
    options: Mapping[str, Any],
    exact: bool = False,
) -> History:
    """Return a source's history over these addresses, not begun yet; `back_us` is how much is loaded before live.

    `exact`: gaps are filled with trades, so they are asked about as soon as they are over, not when their last minute is.
    """
    return History(
        make_client,
        lambda client: Planner(client, provider_name, epoch, back_us, exact=exact),
        Reader(kafka, Registry(registry), provider_name, prefix=prefix, history_schema_id=schema_id, options=options),
        HistoryWriter(kafka, provider_name, prefix=prefix, schema_id=schema_id, lanes=lanes, counts=counts, options=options),
        counts,
    )
