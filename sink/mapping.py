"""PURE. Kafka messages to the rows they ask for, and the poison among them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.codec import SchemaById
from schemas.records import Candle, FeedStatus, Gap, Quote, Record, Trade
from schemas.wire import WireError
from sink.decode import Reader
from sink.directory import Directory
from sink.overrides import Retention
from sink.rows import INVALID, RefusedError, candle_row, gap_row, quote_row, trade_row, version_row
from sink.statuses import StatusBoard
from sink.tables import Row


class Message(Protocol):
    """What is used of a consumed Kafka message."""

    def topic(self) -> str | None:
        """Return the topic."""
        ...

    def key(self) -> Any:
        """Return the key's bytes."""
        ...

    def value(self) -> Any:
        """Return the value's bytes."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Return the timestamp's kind and the milliseconds."""
        ...


@dataclass(frozen=True)
class Poison:
    """A message that cannot become rows, and why: ``reason`` is a short stable word, ``fault`` the error.

    ``judged``: another service is the judge of this input and keeps the dead letter; here it is only counted, or one bad
    trade would be two dead letters and the accounts would not balance.
    """

    message: Any
    reason: str
    fault: Exception
    judged: bool = False


@dataclass
class Work:
    """What one poll asks for. ``newest_us``: the latest publication time among its candles, for the end-to-end lag."""

    rows: list[Row] = field(default_factory=list)
    poison: list[Poison] = field(default_factory=list)
    records: int = 0
    newest_us: int | None = None


class Mapper:
    """Turns messages of the subscribed topics into work; keeps what was said about series and sources, to say it once."""

    def __init__(
        self, topics: Mapping[str, type[Record]], judged: Collection[str], schema_by_id: SchemaById, retention: Retention
    ) -> None:
        """Read `topics` (name -> record); bytes and numbers of those in `judged` are the processor's to refuse."""
        self._judged = judged
        self._readers = {name: Reader(record, schema_by_id) for name, record in topics.items()}
        self.retention = retention
        self._directory = Directory()
        self._statuses = StatusBoard()

    def forget(self) -> None:
        """Say everything again: the store may have lost what it had acknowledged."""
        self._directory.forget()
        self._statuses.forget()

    def __call__(self, messages: Iterable[Message], now_us: int) -> Work:
        """Return the rows and the poison of `messages`; `now_us` in microseconds UTC.

        Raises:
            RegistryUnavailableError: a schema could not be fetched; nothing was remembered, the call can be repeated.
        """
        by_topic: dict[str, list[Message]] = {}
        for message in messages:
            by_topic.setdefault(str(message.topic()), []).append(message)
        decoded = [(batch, self._decode(topic, batch)) for topic, batch in by_topic.items()]
        work = Work(records=sum(len(batch) for batch, _ in decoded))
        for batch, records in decoded:
            for message, record in zip(batch, records, strict=True):
                if isinstance(record, WireError):
                    work.poison.append(Poison(message, record.reason, record, message.topic() in self._judged))
                    continue
                try:
                    work.rows.extend(self._rows(record, message, now_us))
                except RefusedError as refusal:
                    judged = refusal.reason == INVALID and message.topic() in self._judged
                    work.poison.append(Poison(message, refusal.reason, refusal, judged))
                    continue
                if isinstance(record, Candle) and (work.newest_us is None or record.updated_at > work.newest_us):
                    work.newest_us = record.updated_at
        return work

    def _decode(self, topic: str, batch: Sequence[Message]) -> list[Record | WireError]:
        reader: Callable[[Any, Any], list[Record | WireError]] = self._readers[topic]
        return reader([m.key() for m in batch], [m.value() for m in batch])

    def _rows(self, record: Record, message: Message, now_us: int) -> list[Row]:
        match record:
            case Trade():
                return [trade_row(record, self.retention, now_us, message)]
            case Quote():
                return [quote_row(record, self.retention, now_us, message)]
            case Candle():
                row = candle_row(record, self.retention, now_us, message)
                version = version_row(record, row, self.retention)
                return [row, *([] if version is None else [version]), *self._directory.of_candle(record, message)]
            case Gap():
                return [gap_row(record, self.retention, now_us, message), *self._directory.of_gap(record, message)]
            case FeedStatus():
                return self._statuses.rows(record, message.timestamp()[1] * 1000, self.retention, message)
            case _:
                raise TypeError(f"no table holds a {type(record).__name__}")
