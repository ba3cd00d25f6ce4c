"""SHELL (files to Kafka). Plays recordings through the same path as a live feed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from time import monotonic, time_ns  # noqa: TID251 - the run's epoch is its start

import structlog

from producer.cluster import enter, survey
from producer.errors import FatalError, RemoteError
from producer.files import lines_of, survey_files
from producer.pace import Pace, Rate
from producer.publisher import Publisher
from producer.run_status import Plan, RunStatus, window_start
from producer.sequence import next_epoch
from producer.settings import Settings
from producer.sources.recording import Recording
from producer.telemetry import Counts
from schemas.records import FeedState, Quote, Trade
from schemas.timeframes import BASE_US
from schemas.waiting import AwayError

_log = structlog.get_logger()
# Our choices. Statuses follow the recording's minutes, which pass in microseconds at full speed, so their number is bounded
# by wall time; a slow replay says once a second that it is alive; symbols are repeated as a live source repeats them.
STATUS_EVERY_S = 0.05
ALIVE_EVERY_S = 1.0
SYMBOLS_EVERY_S = 60.0
PROGRESS_EVERY_S = 0.1
LINGER_MS = 50
FLUSH_S = 300.0
STOP_S = 20.0


@dataclass
class Summary:
    """What a replay did; `first_us` and `last_us` are the smallest and largest event times published."""

    read: int = 0
    published: int = 0
    repeats_dropped: int = 0
    refused: int = 0
    first_us: int | None = None
    last_us: int | None = None
    seconds: float = 0.0

    def as_dict(self) -> dict[str, int | float | None]:
        """Return the fields by name, in order."""
        return asdict(self)


class Replay:
    """One run over files: surveys them, then publishes. `run` once."""

    def __init__(
        self,
        paths: Sequence[Path],
        settings: Settings,
        *,
        source: str = "replay",
        rate: Rate = "max",
        finish: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._source = source
        self._rate = rate
        self._finish = finish
        self._on_progress = on_progress or (lambda done, total: None)
        self._stop = Event()
        self._last_status_s = self._last_symbols_s = self._last_progress_s = float("-inf")
        self._status_due = False
        self._window_end = 0
        self.ends: dict[tuple[str, int], int] = {}
        """After `run`: (topic, partition) -> the offset after the last record written there; statuses included."""

    def stop(self) -> None:
        """End early: what was read is published and acknowledged, the summary tells how far it came. Any thread."""
        self._stop.set()

    def run(self) -> Summary:
        """Publish the files' records and return what was done, once Kafka has acknowledged everything.

        Raises:
            FatalError: a file cannot be read, Kafka or the registry cannot be used, or a record was not delivered.
        """
        started = monotonic()
        plan = survey_files(self._paths)
        s = self._settings
        try:
            enter(s.kafka, s.topic_prefix, s.kafka_options)
            cluster = survey(s.kafka, s.schema_registry(), s.topic_prefix, self._source, s.kafka_options)
        except AwayError as error:  # a command that somebody waits for, not a service
            raise FatalError(str(error)) from error
        epoch = next_epoch(time_ns() // 1000, cluster.last_epoch)
        counts = Counts()
        self._publisher = Publisher(
            s.kafka,
            self._source,
            prefix=s.topic_prefix,
            schema_ids=cluster.schema_ids,
            ends=cluster.ends,
            partitions=cluster.partitions,
            counts=counts,
            linger_ms=LINGER_MS,
            options=s.kafka_options,
            groups=s.groups,
        )
        self._recording = Recording(self._source, epoch)
        self._status = RunStatus(self._source, epoch, plan)
        self._places = {symbol: self._publisher.partition_of(symbol) for symbol, _ in plan.earliest_us}
        _log.info("replay.started", source=self._source, epoch=epoch, lines=plan.lines, series=len(plan.earliest_us))
        summary = Summary()
        if plan.earliest_us:
            self._recording.clock_us = plan.good_from
            self._window_end = plan.good_from + BASE_US
            self._say()
        self._publish(plan, summary)
        self._publisher.flush(STOP_S if self._stop.is_set() else FLUSH_S)
        if plan.earliest_us:
            self._end()
        self._on_progress(summary.read, plan.lines)
        self.ends = self._publisher.written_ends()
        summary.refused = counts.refused.total()
        summary.seconds = round(monotonic() - started, 3)
        _log.info("replay.ended", source=self._source, **summary.as_dict())
        return summary

    def _publish(self, plan: Plan, summary: Summary) -> None:
        publisher, recording = self._publisher, self._recording
        pace = Pace(self._rate, monotonic())
        for path in self._paths:
            for number, line in enumerate(lines_of(path), 1):
                if self._stop.is_set():
                    return
                if line:
                    summary.read += 1
                    try:
                        record = recording.read(line)
                    except RemoteError as error:
                        publisher.dead_letter(line, error, f"{path.name}:{number}")
                    else:
                        if record is None:
                            summary.repeats_dropped += 1
                        else:
                            self._wait_until(pace.due_s(record.receive_time))
                            publisher.send(record)
                            _add(summary, record)
                # At full speed every sixteenth line is often enough to look at the clocks.
                if self._rate != "max" or not number & 15:
                    self._tick(summary.read, plan.lines)

    def _tick(self, read: int, total: int) -> None:
        self._publisher.poll()
        if self._recording.clock_us >= self._window_end:
            self._status_due = True
            self._window_end = window_start(self._recording.clock_us) + BASE_US
        now = monotonic()
        if now - self._last_status_s >= (STATUS_EVERY_S if self._status_due else ALIVE_EVERY_S):
            self._say()
        if now - self._last_progress_s >= PROGRESS_EVERY_S:
            self._last_progress_s = now
            self._on_progress(read, total)

    def _wait_until(self, due_s: float) -> None:
        # A record that is far off is waited for in pieces, so that statuses go on and a stop is heard.
        while (left := due_s - monotonic()) > 0 and not self._stop.wait(min(left, ALIVE_EVERY_S)):
            if monotonic() - self._last_status_s >= ALIVE_EVERY_S:
                self._publisher.poll()
                self._say()

    def _say(self, state: FeedState = "live", *, symbols: bool = False) -> None:
        if not self._status.plan.earliest_us:
            return
        now = monotonic()
        symbols = symbols or now - self._last_symbols_s >= SYMBOLS_EVERY_S
        clock = self._recording.clock_us
        for partition in range(self._publisher.partitions):
            status = self._status.status(
                partition,
                clock,
                self._publisher.progress(partition),
                symbols=self._status.served(self._places, partition) if symbols else None,
                state=state,
                since_us=clock if state == "finished" else None,
            )
            self._publisher.send_status(partition, status)
        self._last_status_s = now
        self._status_due = False
        if symbols:
            self._last_symbols_s = now

    def _end(self) -> None:
        # Everything is acknowledged here, so complete_to is the clock.
        self._say(symbols=True)
        if self._finish and not self._stop.is_set():
            self._recording.clock_us = window_start(self._recording.newest_event_us) + BASE_US
            self._say("finished", symbols=True)
        self._publisher.flush(FLUSH_S)


def _add(summary: Summary, record: Trade | Quote) -> None:
    event = record.event_time
    summary.published += 1
    if summary.first_us is None or summary.last_us is None:
        summary.first_us = summary.last_us = event
    elif event > summary.last_us:
        summary.last_us = event
    elif event < summary.first_us:
        summary.first_us = event
