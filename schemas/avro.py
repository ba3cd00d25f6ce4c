"""PURE. The ``.avsc`` files, and the forms of a schema that readers need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Quote, Record, Trade

Schema = dict[str, Any]

FILES: dict[type[Record], str] = {
    Trade: "trade",
    Quote: "quote",
    FeedStatus: "feed_status",
    HistoryCandle: "history_candle",
    Candle: "candle",
    Gap: "gap",
}


def schema_text(record: type[Record]) -> str:
    """Return the schema of `record` as it is registered: the text of its ``.avsc`` file."""
    return (Path(__file__).parent / f"{FILES[record]}.avsc").read_text(encoding="utf-8")


def schema_of(record: type[Record]) -> Schema:
    """Return the parsed schema of `record`."""
    schema: Schema = json.loads(schema_text(record))
    return schema


def without_logical_types(node: Any) -> Any:
    """Return the schema with logical types removed, so that instants are read as plain integers (a datetime costs 1.6 us)."""
    if isinstance(node, list):
        return [without_logical_types(n) for n in node]
    if isinstance(node, dict):
        return {k: without_logical_types(v) for k, v in node.items() if k != "logicalType"}
    return node


def without_extras(node: Any) -> Any:
    """Return the barest schema that describes the same bytes.

    polars' Avro reader refuses field defaults other than null and [], so whole blocks are read with this form:
    no defaults, docs, aliases or logical types.
    """
    if isinstance(node, list):
        return [without_extras(n) for n in node]
    if isinstance(node, dict):
        drop = ("doc", "default", "aliases", "logicalType")
        return {k: without_extras(v) for k, v in node.items() if k not in drop}
    return node
