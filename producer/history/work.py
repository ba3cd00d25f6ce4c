"""SHELL (clocks). The loop of the history's thread: hears gaps, asks the provider within its limits, writes what came."""

from __future__ import annotations

import queue
from dataclasses import replace
from threading import Event
from time import monotonic, time_ns  # noqa: TID251 - when replies are read, and when gaps are over

import structlog

from producer.history.budget import Budget
from producer.history.counts import HistoryCounts
from producer.history.handover import Handover
from producer.history.planner import Planner, Turn
from producer.history.protocol import BusyError, HistoryClient, Page, RefusedError, UnavailableError
from producer.history.reader import Reader
from producer.history.writer import HistoryWriter
from schemas.records import HistoryCandle

_log = structlog.get_logger()
IDLE_S = 0.25  # longest sleep: gaps are due by the clock too
STORE_S = 300.0  # for Kafka to take trades; its client gives up at the same time
PROGRESS_S = 30.0  # between two lines about a bootstrap


class Work:
    """What the history's thread does, and what only it touches: gaps in, questions out, answers to Kafka."""

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
        counts.gaps_waiting = len(planner.gaps)
        counts.bootstrap_wanted_us = planner.bootstrap.wanted_us
        counts.bootstrap_settled_us = planner.bootstrap.wanted_us - left
        now_s = monotonic()
        if (left and now_s - self._told_s >= PROGRESS_S) or (before and not left):
            self._told_s = now_s
            share = round(counts.bootstrap_settled_us / counts.bootstrap_wanted_us, 3)
            _log.info("bootstrap.progressed", done=share, candles=counts.records["candle"], requests=counts.requests.total())


def _now_us() -> int:
    return time_ns() // 1000
