"""PURE. One record to framed Avro bytes and back."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Generic, TypeVar

import fastavro

from schemas.avro import Schema, schema_of, without_logical_types
from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Loss, Quote, Record, Served, Trade
from schemas.wire import HEADER_BYTES, WireError, header, schema_id_of
from schemas.writers import Run, record_writer

R = TypeVar("R", bound=Record)
SchemaById = Callable[[int], Schema]
"""Returns the writer's schema for an id. Raises WireError("unknown_schema") when there is none."""


def as_dict(record: Any) -> dict[str, Any]:
    """Return the record's fields by name, nested records included."""
    values = dict(vars(record))
    for name, value in values.items():
        if isinstance(value, tuple):
            values[name] = [as_dict(v) if is_dataclass(v) else v for v in value]
    return values


REPEATED: dict[type[Record], tuple[Run, ...]] = {
    Trade: (("source", "symbol"), ("epoch",)),
    Quote: (("source", "symbol"), ("epoch",)),
    HistoryCandle: (("source", "symbol", "price"), ("receive_time", "epoch")),
    Candle: (("series", "source", "symbol", "price", "timeframe"), ("start", "end"), ("updated_at", "input_partition")),
    Gap: (("series", "source", "symbol", "price"),),
}
"""Fields next to each other whose values many records share: an instrument, a run, what was received or made together."""


class Encoder:
    """Writes records of one type with one registered schema id."""

    def __init__(self, record: type[Record], schema_id: int) -> None:
        self._write = record_writer(schema_of(record), header(schema_id), REPEATED.get(record, ()))

    def __call__(self, record: Record) -> bytes:
        """Return framing plus body.

        Raises:
            ValueError, TypeError: a field does not fit its schema (our own mistake, not a peer's).
        """
        return self._write(record)


class Decoder(Generic[R]):
    """Reads records of one type, whatever compatible schema they were written with."""

    def __init__(self, record: type[R], schema_by_id: SchemaById) -> None:
        self._record = record
        self._reader = fastavro.parse_schema(without_logical_types(schema_of(record)))
        self._lookup = schema_by_id
        self._writers: dict[int, Any] = {}

    def __call__(self, message: bytes | None) -> R:
        """Return the record in a framed message.

        Raises:
            WireError: the framing, the schema id or the body is wrong; ``reason`` says which.
        """
        schema_id = schema_id_of(message)
        assert message is not None
        return self.body(message[HEADER_BYTES:], schema_id)

    def body(self, body: bytes, schema_id: int) -> R:
        """Return the record in an Avro body written with `schema_id`; raises as ``__call__`` does."""
        writer = self._writers.get(schema_id)
        if writer is None:
            writer = fastavro.parse_schema(without_logical_types(self._lookup(schema_id)))
            if writer == self._reader:
                writer = self._reader
            self._writers[schema_id] = writer
        source = io.BytesIO(body)
        try:
            if writer is self._reader:
                values = fastavro.schemaless_reader(source, writer, None)
            else:
                values = fastavro.schemaless_reader(source, writer, self._reader)
        except Exception as error:  # fastavro raises many kinds on damaged bytes; all mean the same here
            raise WireError("undecodable", f"{type(error).__name__}: {error}") from error
        if source.read(1):
            raise WireError("trailing_bytes", "bytes are left over after the record")
        if not isinstance(values, dict):
            raise WireError("undecodable", "the schema is not a record's")
        if self._record is FeedStatus:
            values["losses"] = tuple(Loss(**x) for x in values["losses"])
            if values["symbols"] is not None:
                values["symbols"] = tuple(Served(**x) for x in values["symbols"])
        return self._record(**values)


def field_names(record: type[Record]) -> tuple[str, ...]:
    """Return the record's field names in schema order."""
    return tuple(f.name for f in fields(record))
