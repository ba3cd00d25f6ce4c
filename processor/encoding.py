"""PURE. Many records of one type to framed Avro bytes at once, from columns: the counterpart of `processor.blocks`.

Each field becomes a matrix of bytes with one row a record; all of them side by side, less what is padding, are the bodies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.avro import schema_of
from schemas.primitives import long_bytes
from schemas.records import Record
from schemas.wire import header
from schemas.writers import value_writer

Bytes = npt.NDArray[np.uint8]
Column = npt.NDArray[Any] | Sequence[str]
MOST_BYTES = 10
"""Bytes of the longest number."""


class ColumnsEncoder:
    """Writes records of one type with one registered schema id."""

    def __init__(self, record: type[Record], schema_id: int) -> None:
        self._header = header(schema_id)
        self._types: dict[str, Any] = {field["name"]: field["type"] for field in schema_of(record)["fields"]}
        self._one = {name: value_writer(kind) for name, kind in self._types.items()}

    def __call__(self, shared: Mapping[str, Any], columns: Mapping[str, Column]) -> list[bytes]:
        """Return framing plus body of each record, as `schemas.codec.Encoder` writes it.

        Args:
            shared: values by field, the same for every record.
            columns: arrays of ``int64`` for long fields and of ``float64`` for double ones, lists of words for enums; of one
                length. Each field of the record is here or there.

        Raises:
            KeyError: a field is missing, or a word is not among an enum's.
            ValueError, TypeError: a value does not fit its type (our own mistake, not a peer's).
        """
        parts: list[tuple[Bytes, npt.NDArray[np.intp] | None]] = []
        fixed = bytearray(self._header)
        for name, kind in self._types.items():
            if name not in columns:
                fixed += self._one[name](shared[name])
                continue
            if fixed:
                parts.append((np.frombuffer(bytes(fixed), np.uint8)[None, :], None))
                fixed.clear()
            parts.append(_many(kind, columns[name]))
        if fixed:
            parts.append((np.frombuffer(bytes(fixed), np.uint8)[None, :], None))
        return _joined(parts, len(next(iter(columns.values()))))


def _many(kind: Any, column: Column) -> tuple[Bytes, npt.NDArray[np.intp] | None]:
    name = kind["type"] if isinstance(kind, dict) else kind
    if name in ("long", "int"):
        return _numbers(np.ascontiguousarray(column, np.int64))
    if name == "double":
        return np.ascontiguousarray(column, "<f8").view(np.uint8).reshape(-1, 8), None
    if name == "enum":
        codes = {word: long_bytes(code)[0] for code, word in enumerate(kind["symbols"])}
        return np.array([codes[word] for word in column], np.uint8)[:, None], None
    raise TypeError(f"no columns of {kind}")


def _numbers(values: npt.NDArray[np.int64]) -> tuple[Bytes, npt.NDArray[np.intp] | None]:
    # Zigzag, then seven bits a byte, the lowest first; the highest bit says that another byte follows.
    left = ((values << 1) ^ (values >> 63)).view(np.uint64)
    matrix = np.zeros((values.size, MOST_BYTES), np.uint8)
    lengths = np.ones(values.size, np.intp)
    for i in range(MOST_BYTES):
        matrix[:, i] = left & np.uint64(0x7F)
        left = left >> np.uint64(7)
        more = left > 0
        if not more.any():
            break
        matrix[:, i] |= more.astype(np.uint8) << 7
        lengths += more
    longest = int(lengths.max(initial=1))
    same = bool((lengths == longest).all())
    return matrix[:, :longest], None if same else lengths


def _joined(parts: Sequence[tuple[Bytes, npt.NDArray[np.intp] | None]], count: int) -> list[bytes]:
    # A part without lengths fills its whole width in each record.
    width = sum(matrix.shape[1] for matrix, _ in parts)
    padded = np.empty((count, width), np.uint8)
    used = np.ones((count, width), bool)
    ends = np.zeros(count, np.intp)
    at = 0
    for matrix, lengths in parts:
        wide = matrix.shape[1]
        padded[:, at : at + wide] = matrix
        if lengths is None:
            ends += wide
        else:
            used[:, at : at + wide] = np.arange(wide) < lengths[:, None]
            ends += lengths
        at += wide
    flat = padded[used].tobytes()
    bounds = [0, *np.cumsum(ends).tolist()]
    return [flat[a:b] for a, b in pairwise(bounds)]
