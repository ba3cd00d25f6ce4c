"""PURE. Kafka values of one topic to records, each or its fault, in order.

Trades, quotes and candles are the bulk and are read in blocks (see `schemas.block`). A damaged body can shift its neighbours
without an error, so every row is compared with its record's key; any difference sends the block through the record-by-record
path, which names the guilty one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Generic, TypeVar

import polars as pl

from schemas.avro import schema_of, without_extras
from schemas.block import BlockDecoder
from schemas.codec import Decoder, SchemaById
from schemas.records import Candle, Quote, Record, Trade, instrument_of
from schemas.wire import WireError, schema_id_of

R = TypeVar("R", bound=Record)
_SMALLEST_BLOCK = 8
"""Below this a block's fixed cost (40 us) exceeds what it saves."""


class Reader(Generic[R]):
    """Reads the values of one topic, whatever compatible schemas they were written with."""

    def __init__(self, record: type[R], schema_by_id: SchemaById) -> None:
        self._record = record
        self._in_blocks = issubclass(record, (Trade, Quote, Candle))
        self._lookup = schema_by_id
        self._single = Decoder(record, schema_by_id)
        self._blocks: dict[int, BlockDecoder | None] = {}
        self._names = [f.name for f in fields(record)]

    def __call__(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[R | WireError]:
        """Return one record or its fault for each value.

        Raises:
            RegistryUnavailableError: from `schema_by_id`; says nothing about the values, the call can be repeated.
        """
        if self._in_blocks and len(values) >= _SMALLEST_BLOCK:
            block = self._block(keys, values)
            if block is not None:
                return block
        return [self._one(key, value) for key, value in zip(keys, values, strict=True)]

    def _one(self, key: bytes | None, value: bytes | None) -> R | WireError:
        try:
            record = self._single(value)
        except WireError as fault:
            return fault
        if isinstance(record, (Trade, Quote)) and key != instrument_of(record.source, record.symbol).encode():
            return WireError("key_mismatch", "the key is not the record's instrument")
        return record

    def _block(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[R | WireError] | None:
        # None: not all of one schema, or anything at all looks wrong.
        if None in values:
            return None
        try:
            decoder = self._decoder(schema_id_of(values[0]))
            if decoder is None:
                return None
            frame = decoder([v for v in values if v is not None])
        except WireError:
            return None
        try:
            named = [k.decode() if k is not None else None for k in keys]
        except UnicodeDecodeError:
            return None
        if not any(named == column.to_list() for column in self._keys(frame)):
            return None
        return self._records(frame)

    def _decoder(self, schema_id: int) -> BlockDecoder | None:
        # None: a candle of another schema than ours. It may have a symbol that ours has not, which only the single path,
        # resolving one schema into the other, turns into the default.
        if schema_id not in self._blocks:
            writer = self._lookup(schema_id)
            ours = self._record is not Candle or without_extras(writer) == without_extras(schema_of(Candle))
            self._blocks[schema_id] = BlockDecoder(self._record, writer, schema_id) if ours else None
        return self._blocks[schema_id]

    def _keys(self, frame: pl.DataFrame) -> list[pl.Series]:
        # What the keys of these rows may be, by the topic's rule (CONTRACT.md); a candle's depends on the topic.
        if self._record is Candle:
            return [frame["series"], frame["series"] + "|" + frame["timeframe"]]
        return [frame["source"] + ":" + frame["symbol"]]

    def _records(self, frame: pl.DataFrame) -> list[R | WireError]:
        if self._record is not Candle:
            return [self._record(*row) for row in frame.iter_rows()]
        # By their fields and not by their constructor, column by column: half the cost, and a closed candle is two rows.
        records: list[R | WireError] = []
        for row in zip(*(frame[name].to_list() for name in self._names), strict=True):
            record = object.__new__(self._record)
            record.__dict__.update(zip(self._names, row, strict=True))
            records.append(record)
        return records
