"""Any value of any record, for property tests: derived from the records' own schemas, so that no field is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from schemas.avro import schema_of
from schemas.records import FeedStatus, Loss, Record, Served

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=12),
}


def records(record: type[Record]) -> st.SearchStrategy[Any]:
    """Return a strategy for records of one type, each field anywhere in its range (NaN excepted: it equals nothing)."""
    return _values(schema_of(record)).map(lambda values: _built(record, values))


def _values(node: Any) -> st.SearchStrategy[Any]:
    if isinstance(node, list):
        return st.one_of([_values(branch) for branch in node])
    if isinstance(node, str):
        return _SCALARS[node]
    if node["type"] == "record":
        return st.fixed_dictionaries({f["name"]: _values(f["type"]) for f in node["fields"]})
    if node["type"] == "enum":
        return st.sampled_from(node["symbols"])
    if node["type"] == "array":
        return st.lists(_values(node["items"]), max_size=3)
    return _values(node["type"])


def _built(record: type[Record], values: dict[str, Any]) -> Record:
    built = record(**values)
    if isinstance(built, FeedStatus):
        losses = tuple(Loss(**x) for x in values["losses"])
        symbols = values["symbols"]
        return replace(built, losses=losses, symbols=None if symbols is None else tuple(Served(**x) for x in symbols))
    return built
