"""PURE. Confluent framing: one zero byte, the schema id as a big-endian 32-bit integer, then the Avro body."""

from __future__ import annotations

import struct

HEADER_BYTES = 5
_HEADER = struct.Struct(">bI")


class WireError(ValueError):
    """A message is not what the contract says; nothing was taken from it. ``reason`` is a short stable word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def header(schema_id: int) -> bytes:
    """Return the five bytes that precede a body written with `schema_id`."""
    return _HEADER.pack(0, schema_id)


def schema_id_of(message: bytes | None) -> int:
    """Return the schema id of a framed message.

    Raises:
        WireError: ``tombstone`` (no value), ``too_short`` or ``wrong_magic``.
    """
    if message is None:
        raise WireError("tombstone", "the message has no value")
    if len(message) < HEADER_BYTES:
        raise WireError("too_short", f"{len(message)} bytes cannot hold the 5 framing bytes")
    magic, schema_id = _HEADER.unpack_from(message)
    if magic != 0:
        raise WireError("wrong_magic", f"first byte is {magic}, not 0")
    return int(schema_id)
