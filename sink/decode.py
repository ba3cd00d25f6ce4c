"""PURE. Kafka values of one topic to records, each or its fault, in order.

Trades and quotes are the bulk and are read in blocks (see `schemas.block`). A damaged body can shift its neighbours without an
error, so every row is compared with its record's key; any difference sends the block through the record-by-record path,
which names the guilty one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from schemas.block import BlockDecoder
from schemas.codec import Decoder, SchemaById
from schemas.records import Quote, Record, Trade, instrument_of
from schemas.wire import HEADER_BYTES, WireError, schema_id_of

R = TypeVar("R", bound=Record)
_SMALLEST_BLOCK = 8
"""Below this a block's fixed cost (40 us) exceeds what it saves."""


class Reader(Generic[R]):
    """Reads the values of one topic, whatever compatible schemas they were written with."""

    def __init__(self, record: type[R], schema_by_id: SchemaById) -> None:
        self._record = record
        self._keyed = issubclass(record, (Trade, Quote))
        self._lookup = schema_by_id
        self._single = Decoder(record, schema_by_id)
        self._blocks: dict[int, BlockDecoder] = {}

    def __call__(self, keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> list[R | WireError]:
        """Return one record or its fault for each value.

        Raises:
            RegistryUnavailableError: from `schema_by_id`; says nothing about the values, the call can be repeated.
        """
        if self._keyed and len(values) >= _SMALLEST_BLOCK:
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
        head = values[0][:HEADER_BYTES] if values[0] is not None else b""
        if not all(v is not None and v.startswith(head) for v in values):
            return None
        try:
            schema_id = schema_id_of(head)
            decoder = self._blocks.get(schema_id)
            if decoder is None:
                decoder = self._blocks[schema_id] = BlockDecoder(self._record, self._lookup(schema_id))
            frame = decoder([v[HEADER_BYTES:] for v in values if v is not None])
        except WireError:
            return None
        instruments = (frame["source"] + ":" + frame["symbol"]).to_list()
        try:
            if [k.decode() if k is not None else None for k in keys] != instruments:
                return None
        except UnicodeDecodeError:
            return None
        return [self._record(*row) for row in frame.iter_rows()]
