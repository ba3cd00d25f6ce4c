"""PURE. One record of the topic of feed statuses to a status, or to why it is none."""

from __future__ import annotations

from schemas.codec import Decoder, SchemaById
from schemas.records import FeedStatus
from schemas.wire import WireError

LONGEST = 800_000
"""Bytes of a status that is taken in: twenty thousand symbols, and what it tells still fits into a gap within Kafka's 1 MB."""


class StatusInput:
    """Reads statuses of any registered schema."""

    def __init__(self, schema_by_id: SchemaById) -> None:
        self._decode: Decoder[FeedStatus] = Decoder(FeedStatus, schema_by_id)

    def __call__(self, key: bytes | None, value: bytes | None) -> FeedStatus:
        """Return the status.

        Raises:
            WireError: there is none: the bytes are no status, are too many, or the key is not its source.
        """
        if value is not None and len(value) > LONGEST:
            raise WireError("too_long", f"{len(value)} bytes; {LONGEST} are the most")
        status = self._decode(value)
        if key != status.source.encode():
            raise WireError("key_mismatch", f"the key is {key!r}, the record is of {status.source!r}")
        return status
