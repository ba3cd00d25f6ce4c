"""SHELL (Kafka). What the topics of candles, gaps, late trades and dead letters hold, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from processor.audit.book import CandleKey
from processor.audit.content import Out, Published
from processor.audit.reader import Bounds, Part, Reader
from processor.audit.rebuild import Place
from schemas import topics
from schemas.codec import Decoder, SchemaById
from schemas.records import Candle, Gap
from schemas.wire import WireError


@dataclass
class Outputs:
    """Everything that is out in Kafka."""

    published: Published = field(default_factory=Published)
    late: set[tuple[bytes | None, bytes | None]] = field(default_factory=set)
    """Key and value of what is on late-trades."""
    dead: set[Place] = field(default_factory=set)
    """Where the input stands that is on dead-letters."""


def read_outputs(
    reader: Reader, schema_by_id: SchemaById, wanted: Callable[[str, int], bool], ends: Mapping[Part, Bounds], prefix: str
) -> Outputs:
    """Read all outputs between `ends`; of candles and gaps the highest versions are kept.

    Args:
        reader: reads the topics.
        schema_by_id: finds a writer's schema.
        wanted: says by series and start (a gap's beginning) what is of interest.
        ends: bounds by (dataset, partition).
        prefix: first part of every topic's name.

    Raises:
        ReadError: Kafka does not answer.
    """
    outputs = Outputs()
    candle, gap = Decoder(Candle, schema_by_id), Decoder(Gap, schema_by_id)
    inputs = {t.name(prefix): t.dataset for t in topics.INPUTS}
    for part, message in reader.read_all(ends):
        dataset, number = part
        if dataset == topics.LATE_TRADES.dataset:
            outputs.late.add((message.key(), message.value()))
        elif dataset == topics.DEAD_LETTERS.dataset:
            _note_origin(outputs.dead, message, inputs)
        else:
            try:
                record: Candle | Gap = (gap if dataset == topics.GAPS.dataset else candle)(message.value())
            except WireError:
                outputs.published.strange.append((dataset, number, message.offset(), "cannot be decoded"))
                continue
            if message.key() != record.series.encode():
                outputs.published.strange.append((dataset, number, message.offset(), f"has not the key of {record.series}"))
            if isinstance(record, Candle) and dataset != topics.candles_dataset(record.timeframe):
                outputs.published.strange.append((dataset, number, message.offset(), f"is a candle of {record.timeframe}"))
                continue
            if ends[part][0] > 0:
                outputs.published.begins.setdefault(part, record.updated_at)
            if wanted(record.series, record.from_time if isinstance(record, Gap) else record.start):
                _keep_highest(outputs.published, record, number, message.offset())
    return outputs


def _keep_highest(published: Published, record: Candle | Gap, number: int, offset: int) -> None:
    out = Out(vars(record), number, offset)
    if isinstance(record, Gap):
        told = published.gaps.get(record.gap_id)
        if told is None or record.version >= told.content["version"]:
            published.gaps[record.gap_id] = out
    else:
        key = CandleKey(record.series, record.timeframe, record.start)
        known = published.candles.get(key)
        if known is None or record.version >= known.content["version"]:
            published.candles[key] = out


def _note_origin(dead: set[Place], message: Any, inputs: Mapping[str, str]) -> None:
    told = {name: value.decode(errors="replace") for name, value in message.headers() or [] if value is not None}
    number, offset = (told.get(f"__connect.errors.{name}", "") for name in ("partition", "offset"))
    dataset = inputs.get(told.get("__connect.errors.topic", ""))
    if dataset is not None and number.isdecimal() and offset.isdecimal():
        dead.add(Place(dataset, int(number), int(offset)))
