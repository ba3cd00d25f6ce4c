"""PURE. Many messages of one record each to columns at once, in native code.

The messages are joined into ONE block of an in-memory Avro container file, which polars reads: about 2 M records/s,
against 0.13 M one by one. Their framing is read as a field before the record's own: cutting it off each of them costs a fifth
more. A damaged body can shift its neighbours without an error, so the caller must compare each row with its record's key (see
`BlockDecoder`), and go record by record when anything differs.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import MISSING, fields

import fastavro
import polars as pl

from schemas.avro import Schema, without_extras, without_logical_types
from schemas.primitives import long_bytes
from schemas.records import Record
from schemas.wire import HEADER_BYTES, WireError, header

_SYNC = b"candlewick-block"
_FRAMING = {"name": "framing_bytes", "type": {"type": "fixed", "name": "FramingBytes", "size": HEADER_BYTES}}


def _container_header(schema: Schema) -> bytes:
    plain = without_extras(schema)
    framed = {**plain, "fields": [_FRAMING, *plain["fields"]]}
    meta = {b"avro.schema": json.dumps(framed).encode(), b"avro.codec": b"null"}
    body = b"".join(long_bytes(len(k)) + k + long_bytes(len(v)) + v for k, v in meta.items())
    return b"Obj\x01" + long_bytes(len(meta)) + body + b"\0" + _SYNC


class BlockDecoder:
    """Reads messages written with one registered schema into columns named and ordered as the record's fields."""

    def __init__(self, record: type[Record], writer: Schema, schema_id: int) -> None:
        self._head = _container_header(writer)
        self._framing = pl.Series([header(schema_id)], dtype=pl.Binary)
        written = {f["name"] for f in writer["fields"]}
        self._columns = [
            pl.col(f.name)
            if f.name in written
            else pl.lit(None if f.default is MISSING else f.default, allow_object=False).alias(f.name)
            for f in fields(record)
        ]
        self._sentinel = header(schema_id) + _sentinel(writer)
        self._known = self._read([self._sentinel]).row(0)

    def __call__(self, messages: Sequence[bytes]) -> pl.DataFrame:
        """Return one row a message, in order.

        Raises:
            WireError: ``undecodable``: the block could not be read, has another number of rows, holds a message of another
                schema, or its messages do not end where they should. Damage inside may also go unnoticed here: the caller
                compares the rows with the records' keys.
        """
        # A known message at the end: bytes that the last one leaves over, or lacks, would be read as part of it.
        frame = self._read([*messages, self._sentinel])
        if frame.height != len(messages) + 1:
            raise WireError("undecodable", f"{frame.height - 1} rows from {len(messages)} messages")
        if frame.row(-1) != self._known:
            raise WireError("undecodable", "the last message does not end where it should")
        if not (frame["framing_bytes"] == self._framing).all():
            raise WireError("undecodable", "not all messages are of one schema")
        return frame.head(len(messages)).select(self._columns)

    def _read(self, messages: Sequence[bytes]) -> pl.DataFrame:
        block = b"".join(messages)
        container = self._head + long_bytes(len(messages)) + long_bytes(len(block)) + block + _SYNC
        try:
            return pl.read_avro(io.BytesIO(container))
        except (Exception, pl.exceptions.PanicException) as error:  # the panic is a BaseException
            raise WireError("undecodable", f"{type(error).__name__}: {error}") from error


def _sentinel(writer: Schema) -> bytes:
    # Any body of that schema does; its strings begin with a byte that no length or number of a record's rest looks like.
    plain = {"string": "sentinel of a block", "long": 0x5E27, "int": 0x5E27, "double": 94.5, "float": 94.5, "boolean": True}
    datum = {}
    for field in writer["fields"]:
        kind = field["type"]["type"] if isinstance(field["type"], dict) else field["type"]
        if isinstance(kind, str) and kind in plain:
            datum[field["name"]] = plain[kind]
        elif kind == "enum":
            datum[field["name"]] = field["type"]["symbols"][-1]
        else:
            datum[field["name"]] = [] if kind == "array" else None
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(without_logical_types(writer)), datum)
    return out.getvalue()
