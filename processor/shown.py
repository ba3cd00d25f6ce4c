"""PURE. What the HTTP pages say: records as JSON, the answers around them, and events of a stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, get_args

from schemas.codec import Decoder, SchemaById
from schemas.records import Candle, Gap, Price
from schemas.wire import WireError

_PRICES = tuple(f"@{price}" for price in get_args(Price) if price != "trade")
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False).encode
HEARTBEAT = b": still here\n\n"
"""A comment: readers ignore it, and whoever is gone is noticed."""
HELLO = b"retry: 1000\n\n"
"""The first thing in a stream: reconnect after this many milliseconds."""


class LimitError(ValueError):
    """The limit of a question is wrong; the text says what is right."""


def as_json(value: Any) -> bytes:
    """Return a value as JSON on one line."""
    return _encode(value).encode()


def record_json(record: Candle | Gap) -> bytes:
    """Return a record as a JSON object: the fields of its schema under their names, instants in microseconds UTC."""
    return _encode(vars(record)).encode()


def renderer(record: type[Candle] | type[Gap], schema_by_id: SchemaById) -> Callable[[bytes], bytes]:
    """Return what turns a record's bytes in Kafka into JSON."""
    decode: Decoder[Any] = Decoder(record, schema_by_id)
    return lambda body: record_json(decode(body))


def reader(schema_by_id: SchemaById) -> Callable[[type[Candle] | type[Gap], bytes | None], Candle | Gap | None]:
    """Return what turns bytes of a topic into a record, or None where they are not one."""
    decoders: dict[type, Decoder[Any]] = {Candle: Decoder(Candle, schema_by_id), Gap: Decoder(Gap, schema_by_id)}

    def read(record: type[Candle] | type[Gap], body: bytes | None) -> Candle | Gap | None:
        if body is None:
            return None
        try:
            found: Candle | Gap = decoders[record](body)
        except WireError:
            return None
        return found

    return read


def answer(head: dict[str, Any], name: str, records: Sequence[bytes]) -> bytes:
    """Return a JSON object: `head`, then under `name` a list of records that are JSON already."""
    return _encode(head)[:-1].encode() + b',"' + name.encode() + b'":[' + b",".join(records) + b"]}"


def event(record: Candle | Gap) -> bytes:
    """Return one server-sent event: its type is ``candle`` or ``gap``, its data the record as JSON."""
    return event_of("candle" if isinstance(record, Candle) else "gap", record_json(record))


def event_of(kind: str, data: bytes) -> bytes:
    """Return one server-sent event of a type; `data` is JSON on one line."""
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def instrument_in(series: str) -> str:
    """Return the instrument of a series: the key by which Kafka chose its partition."""
    for ending in _PRICES:
        if series.endswith(ending):
            return series.removesuffix(ending)
    return series


def limit_of(text: str | None, most: int) -> int:
    """Return the limit that a question names, `most` where it names none.

    Raises:
        LimitError: it is no whole number from 1 to `most`.
    """
    if text is None:
        return most
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and 1 <= int(text) <= most):
        raise LimitError(f"limit is a whole number from 1 to {most}")
    return int(text)
