"""PURE. One Kafka batch to columns: decoded in blocks, compared with the records' keys, what is damaged set aside.

A damaged body can shift its neighbours in a block without an error, so each decoded row must name the instrument that its
record's key names. Where a block fails or any row differs, it is halved until only the guilty are left; the good ones have been
read by the same decoder whatever batch they came in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import polars as pl

from processor.core.columns import history_refusal, refusal
from schemas.block import BlockDecoder
from schemas.codec import Decoder, SchemaById
from schemas.records import HistoryCandle, Quote, Trade, instrument_of
from schemas.wire import HEADER_BYTES, WireError, schema_id_of

_RECORDS: dict[str, type[Trade] | type[Quote] | type[HistoryCandle]] = {
    "trades": Trade,
    "quotes": Quote,
    "history": HistoryCandle,
}


LONGEST = 65_536
"""Bytes of a record that is taken in: our choice, hundreds of times a trade. What is made of one must fit into Kafka's 1 MB."""


class Message(Protocol):
    """What is needed of a Kafka record; aiokafka's has it."""

    offset: int
    key: bytes | None
    value: bytes | None


class Refused(NamedTuple):
    """A message that is to become a dead letter: ``reason`` is a short stable word, ``detail`` is for people."""

    offset: int
    reason: str
    detail: str


class Blocks:
    """Decodes the batches of one data topic (``trades``, ``quotes`` or ``history``)."""

    def __init__(self, kind: str, schema_by_id: SchemaById, ahead_us: int) -> None:
        self.kind = kind
        self._record = _RECORDS[kind]
        self._lookup = schema_by_id
        self._blocks: dict[int, BlockDecoder] = {}
        self._single: Decoder[Any] = Decoder(self._record, schema_by_id)
        self._refusal = history_refusal() if kind == "history" else refusal(kind, ahead_us)
        self.fallbacks = 0
        """Blocks that had to be halved."""

    def __call__(self, messages: Sequence[Message]) -> tuple[pl.DataFrame | None, list[Refused]]:
        """Return the good records as columns, with ``key`` and ``offset`` in offset order, and the refused ones.

        The columns are None where nothing is good.
        """
        refused: list[Refused] = []
        whole = self._whole(messages)
        frames = [whole] if whole is not None else []
        for schema_id, group in self._by_schema(messages, refused) if whole is None else ():
            frames += self._decode(schema_id, group, refused)
        if not frames:
            return None, refused
        if len(frames) > 1:
            plain = [f.cast({c: pl.String for c, t in f.schema.items() if t == pl.Categorical}) for f in frames]
            frame = pl.concat(plain, how="vertical_relaxed").sort("offset")
        else:
            frame = frames[0]
        reasons = frame.select(self._refusal).to_series()
        if reasons.null_count() < len(reasons):
            bad = reasons.is_not_null()
            offsets = frame["offset"].filter(bad)
            refused += [
                Refused(o, r, "a value that no candle can hold") for o, r in zip(offsets, reasons.filter(bad), strict=True)
            ]
            frame = frame.filter(~bad)
        return (frame if frame.height else None), refused

    def _whole(self, messages: Sequence[Message]) -> pl.DataFrame | None:
        # Nearly always all are of one schema and good. None: at least one is not.
        try:
            schema_id = schema_id_of(messages[0].value)
            return self._block(self._decoder(schema_id), messages)
        except WireError:
            return None

    def _by_schema(self, messages: Sequence[Message], refused: list[Refused]) -> list[tuple[int, list[Message]]]:
        groups: dict[int, list[Message]] = {}
        for m in messages:
            try:
                groups.setdefault(schema_id_of(m.value), []).append(m)
            except WireError as error:
                refused.append(Refused(m.offset, error.reason, str(error)))
        return list(groups.items())

    def _decode(self, schema_id: int, messages: list[Message], refused: list[Refused]) -> list[pl.DataFrame]:
        try:
            decoder = self._decoder(schema_id)
        except WireError as error:
            refused += [Refused(m.offset, error.reason, str(error)) for m in messages]
            return []
        frame = self._block(decoder, messages)
        if frame is not None:
            return [frame]
        if len(messages) == 1:
            refused.append(self._why(schema_id, messages[0]))
            return []
        self.fallbacks += 1
        half = len(messages) // 2
        return self._decode(schema_id, messages[:half], refused) + self._decode(schema_id, messages[half:], refused)

    def _decoder(self, schema_id: int) -> BlockDecoder:
        if schema_id not in self._blocks:
            self._blocks[schema_id] = BlockDecoder(self._record, self._lookup(schema_id), schema_id)
        return self._blocks[schema_id]

    def _block(self, decoder: BlockDecoder, messages: Sequence[Message]) -> pl.DataFrame | None:
        values = [m.value for m in messages]
        try:
            if max(map(len, values)) > LONGEST:  # type: ignore[arg-type]  # a tombstone raises TypeError
                return None
            frame = decoder(values)  # type: ignore[arg-type]
            keys = pl.Series("key", [m.key for m in messages], dtype=pl.Binary).cast(pl.String)
        except (WireError, pl.exceptions.PolarsError, TypeError):
            return None
        frame = frame.with_columns(keys, _offsets(messages))
        same = (pl.concat_str("source", pl.lit(":"), "symbol") == pl.col("key")).all()
        return frame if frame.select(same).item() is True and not keys.null_count() else None

    def _why(self, schema_id: int, message: Message) -> Refused:
        assert message.value is not None
        if len(message.value) > LONGEST:
            return Refused(message.offset, "too_long", f"{len(message.value)} bytes; {LONGEST} are the most")
        try:
            record = self._single.body(message.value[HEADER_BYTES:], schema_id)
        except WireError as error:
            return Refused(message.offset, error.reason, str(error))
        key = instrument_of(record.source, record.symbol)
        if message.key != key.encode():
            return Refused(message.offset, "key_mismatch", f"the key is {message.key!r}, the record is of {key!r}")
        return Refused(message.offset, "undecodable", "the bytes are no canonical record")


def _offsets(messages: Sequence[Message]) -> pl.Series:
    # They only grow, and nearly always one by one: then first and last say it all.
    first, following = messages[0].offset, messages[-1].offset + 1
    if following - first == len(messages):
        return pl.int_range(first, following, eager=True).alias("offset")
    return pl.Series("offset", [m.offset for m in messages], dtype=pl.Int64)
