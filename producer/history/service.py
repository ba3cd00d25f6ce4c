"""SHELL (thread). One source's history beside its feed: begun and ended by the feed's process, failing with it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from threading import Event, Thread
from typing import Any

import structlog

from producer.errors import FatalError
from producer.history.counts import HistoryCounts
from producer.history.handover import Handover, Publish
from producer.history.planner import Planner
from producer.history.protocol import HistoryClient
from producer.history.reader import Reader
from producer.history.work import Work
from producer.history.writer import HistoryWriter
from producer.inflight import Lane
from schemas.registry import Registry

_log = structlog.get_logger()
FLUSH_S = 10.0  # at the end; what Kafka has not taken by then is asked again by the next run
JOIN_S = 12.0  # a request that is under way may last 10 s


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
            planner = self._make_planner(client)
            work = Work(client, planner, self._reader, self._writer, self._counts, self._handover)
            work.run(self._wanted, self._stop)
            self._writer.flush(FLUSH_S)
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


def history_of(
    provider_name: str,
    make_client: Callable[[], HistoryClient],
    *,
    kafka: str,
    registry: Registry,
    prefix: str,
    schema_id: int,
    lanes: Mapping[int, Lane],
    partition_of: Callable[[str], int],
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
        Reader(kafka, registry, provider_name, prefix=prefix, history_schema_id=schema_id, options=options),
        HistoryWriter(
            kafka,
            provider_name,
            prefix=prefix,
            schema_id=schema_id,
            lanes=lanes,
            partition_of=partition_of,
            counts=counts,
            options=options,
        ),
        counts,
    )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
