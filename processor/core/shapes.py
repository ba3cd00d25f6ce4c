"""PURE. The binary shape of state records: a version byte, then Avro; a value of another version is refused."""

from __future__ import annotations

import io
from typing import Any

import fastavro

from schemas.writers import Write, record_writer

VERSION = b"\x03"


def record(name: str, **types: Any) -> dict[str, Any]:
    """Return the schema of a record with these fields, in this order."""
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in types.items()]}


_I128 = {"type": "fixed", "name": "I128", "size": 16}
KEY = ("event", "venue", "epoch", "sequence")
_WINDOW = record(
    "Window",
    start="long",
    **{f"open_{k}": "long" for k in KEY},
    open="double",
    high="double",
    low="double",
    **{f"close_{k}": "long" for k in KEY},
    close="double",
    size_n=_I128,
    buy_n="I128",
    notional_n="I128",
    trades="long",
    updates="long",
    late="long",
    fingerprint="long",
    offset="long",
    published="long",
)
_NULLABLE = ["null", "long"]
_GAP = record(
    "Told", start="long", cause="string", end=_NULLABLE, missing=_NULLABLE, state="string", why_not="string", derived="boolean"
)
TOLD = fastavro.parse_schema(
    record(
        "ToldSince",
        partition="int",
        series="string",
        run="long",
        taken="long",
        status="long",
        watermark="long",
        **{field["name"]: field["type"] for field in _GAP["fields"]},
    )
)
_LOSS = record("Loss", start="long", end="long", cause="string", known_to="long", missing=_NULLABLE, detail="string")
_RESULT = record(
    "Answer",
    cause="string",
    since="long",
    outcome="string",
    start="long",
    end="long",
    reason="string",
    retry_at=_NULLABLE,
    candles="boolean",
)
_NUMBERS = record("Numbers", epoch="long", first="long", first_time="long", last="long", last_time="long")
_RANGE = record("Range", start="long", end="long")
_WINDOWS = {"type": "array", "items": _WINDOW}
_FRAME = record("OpenFrame", timeframe="string", windows=_WINDOWS)
_HOT = record(
    "Hot",
    partition="int",
    source="string",
    symbol="string",
    price="string",
    run="long",
    first=_NULLABLE,
    good_from=_NULLABLE,
    taken="long",
    mark="long",
    watermark="long",
    floor="long",
    ended="boolean",
    numbers={"type": "array", "items": _NUMBERS},
    lost={"type": "array", "items": _LOSS},
    answers={"type": "array", "items": _RESULT},
    bootstraps={"type": "array", "items": _RANGE},
    told={"type": "array", "items": _GAP},
    frames={"type": "array", "items": _FRAME},
)
_CHUNK = record("Chunk", partition="int", timeframe="string", windows=_WINDOWS)
HOT, CHUNK = fastavro.parse_schema(_HOT), fastavro.parse_schema(_CHUNK)
_SERVED = record("Served", symbol="string", kind="string", good_from=_NULLABLE)
FEED = fastavro.parse_schema(
    record(
        "Feed",
        partition="int",
        epoch="long",
        replay="boolean",
        finished="boolean",
        state="string",
        clock="long",
        good_from=_NULLABLE,
        good_until=_NULLABLE,
        ids="string",
        offset="long",
        trades_from="long",
        quotes_from="long",
        known_from=_NULLABLE,
        losses={"type": "array", "items": _LOSS},
        symbol_losses={"type": "map", "values": {"type": "array", "items": "Loss"}},
        served={"type": "array", "items": _SERVED},
        absences={"type": "array", "items": record("Absence", symbol="string", kind="string", start="long", end="long")},
    )
)
FEED_FIELDS = (
    "epoch", "replay", "finished", "state", "clock", "good_from", "good_until", "ids", "offset",
    "trades_from", "quotes_from", "known_from",
)  # fmt: skip
LOSS_FIELDS = tuple(f["name"] for f in _LOSS["fields"])
DAY = fastavro.parse_schema(record("Day", partition="int", rows="bytes"))


class SnapshotError(ValueError):
    """State of a version or shape that this program does not read."""


# Nearly all of a state are windows, so they are written as they are: here is where a window's fields are found.
# Everything else is in dictionaries.
_OF_WINDOW = {
    **{f"{end}_{name}": f"v.{end}_key[{i}]" for end in ("open", "close") for i, name in enumerate(KEY)},
    **{name: f"v.{name}.to_bytes(16, 'little', signed=True)" for name in ("size_n", "buy_n", "notional_n")},
    "fingerprint": "v.signed_fingerprint",
}


def _place(record: str, field: str) -> str:
    return _OF_WINDOW.get(field, f"v.{field}") if record == "Window" else f"v[{field!r}]"


write_hot: Write = record_writer(_HOT, VERSION, place=_place)
"""Returns the hot part of a series in the shape of `HOT`; its windows are `Window`s."""
write_chunk: Write = record_writer(_CHUNK, VERSION, place=_place)
"""Returns closed windows in the shape of `CHUNK`; they are `Window`s."""


def write(schema: Any, values: dict[str, Any]) -> bytes:
    """Return values in the shape of `schema`."""
    out = io.BytesIO()
    out.write(VERSION)
    fastavro.schemaless_writer(out, schema, values)
    return out.getvalue()


def read(schema: Any, data: bytes) -> dict[str, Any]:
    """Return what `write` was given.

    Raises:
        SnapshotError: the bytes are of another version or shape.
    """
    if data[:1] != VERSION:
        raise SnapshotError(
            f"state of version {data[:1].hex() or 'none'}, not {VERSION.hex()}: reset the processor's group and state"
        )
    try:
        values = fastavro.schemaless_reader(io.BytesIO(data[1:]), schema, None)
    except Exception as error:
        raise SnapshotError(f"state cannot be read: {error}") from error
    assert isinstance(values, dict)
    return values
