"""PURE. Functions that write values of one Avro type, made from the schema: the library's very bytes in a third of its time.

fastavro asks the schema about every field of every record. Here it is asked once, and the answers are the text of a Python
function, as named tuples and dataclasses are made. What no schema of ours uses is refused when the function is made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from keyword import iskeyword
from typing import Any

from schemas.primitives import LAST, LOWEST, MORE, SMALL, fixed_bytes, int_bytes, long_bytes, text_bytes

Write = Callable[[Any], bytes]
"""Returns a value's bytes. Raises ValueError or TypeError where it does not fit its type."""
Run = tuple[str, ...]
"""Names of fields that stand next to each other."""
Place = Callable[[str, str], str]
"""Returns where a record's (name) field (name) is: a Python expression of the value `v`."""

MOST_NAMES, MOST_NUMBERS = 50_000, 1_000
"""Runs remembered of each kind, with names or of numbers alone: 5,000 series of six timeframes have 30,000 (our choice)."""

_MISFITS = (KeyError, AttributeError, OverflowError, struct.error)
_KNOWN = {
    "join": b"".join,
    "long": long_bytes,
    "int_": int_bytes,
    "text": text_bytes,
    "fixed": fixed_bytes,
    "SMALL": SMALL,
    "LOWEST": LOWEST,
    "MORE": MORE,
    "LAST": LAST,
    "MISFITS": _MISFITS,
}
# Expressions for the bytes of {v}. Moments from 1970-01-26 to the year 3111 have eight bytes, which are looked up in place.
_TEMPLATES = {
    "boolean": "(b'\\1' if {v} else b'\\0')",
    "string": "(text(s) if (s := {v}) else b'\\0')",
    "long": f"(SMALL[n] if 0 <= (n := {{v}}) < {len(SMALL)} else long(n))",
    "int": f"(SMALL[n] if 0 <= (n := {{v}}) < {len(SMALL)} else int_(n))",
    "moment": f"(LOWEST[(m := n & {(1 << 27) - 1}) & 8191] + MORE[m >> 13] + MORE[(m := n >> 27) & 16383] + LAST[m >> 14]"
    f" if {1 << 41} <= (n := {{v}}) < {1 << 55} else long(n))",
}
_NUMBERS = ("long", "int", "moment")


class Memo(dict[Any, bytes]):
    """What was written once and is likely to come again; it begins anew where it has grown too large."""

    def __init__(self, write: Write, most: int) -> None:
        super().__init__()
        self._write = write
        self._most = most

    def __missing__(self, key: Any) -> bytes:
        """Write what is not remembered, and remember it."""
        data = self._write(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = data
        return data


def as_attribute(_record: str, field: str) -> str:
    """Return that a field is the attribute of its name."""
    return f"v.{field}"


def record_writer(schema: Mapping[str, Any], head: bytes = b"", runs: Sequence[Run] = (), place: Place = as_attribute) -> Write:
    """Return a function that writes objects that have a record's fields.

    Args:
        schema: the record's.
        head: put before each.
        runs: fields whose values many records share: they are written once and remembered. Texts, enums and whole numbers
            only, for what is remembered is found by equality: 0.0 would be written for -0.0.
        place: says where the fields are, those of records in it too.

    Raises:
        TypeError: the schema has a type or a name that ours do not use, or a run is none of it.
    """
    fields = {f["name"]: f["type"] for f in schema["fields"]}
    for name in fields:
        if not name.isidentifier() or iskeyword(name):
            raise TypeError(f"no name for Python: {name!r}")
    text = _Text(schema["name"], place)
    return text.joined([*([repr(head)] if head else []), *text.of_fields(fields, runs)])


def value_writer(kind: Any, place: Place = as_attribute) -> Write:
    """Return a function that writes values of any type that `record_writer` takes; raises as it does."""
    text = _Text(str(kind), place)
    return text.compiled(text.of(kind, "v"))


class _Text:
    """The text of one function of a value `v`, and the objects that stand in it by name."""

    def __init__(self, title: str, place: Place) -> None:
        self._title = title
        self._place = place
        self._names: dict[str, Any] = {**_KNOWN, "TITLE": title}
        self._fixed: dict[str, Any] = {}

    def compiled(self, expression: str) -> Write:
        source = (
            "def write(v):\n"
            f" try: return {expression}\n"
            " except MISFITS as error: raise ValueError(f'no {TITLE}: {type(error).__name__}: {error}') from error\n"
        )
        exec(source, self._names)  # noqa: S102  # of our own schemas: a name in it is a name and nothing else
        write: Write = self._names["write"]
        return write

    def joined(self, expressions: Sequence[str]) -> Write:
        return self.compiled(f"join(({', '.join(expressions)},))")

    def of_fields(self, fields: Mapping[str, Any], runs: Sequence[Run]) -> Iterator[str]:
        # Expressions for the fields of `v`, in order: a run at a time, doubles next to each other at a time, or one.
        begins = {run[0]: run for run in runs}
        names = tuple(fields)
        while names:
            run = begins.pop(names[0], ())
            doubles = tuple(takewhile(lambda name: fields[name] == "double" and name not in begins, names))
            taken = run or doubles or names[:1]
            if names[: len(taken)] != taken:
                raise TypeError(f"{run} do not stand next to each other")
            if run:
                yield self._remembered({name: fields[name] for name in run})
            elif doubles:
                yield self._doubles([self._place(self._title, name) for name in doubles])
            else:
                yield self.of(fields[names[0]], self._place(self._title, names[0]))
            names = names[len(taken) :]
        if begins:
            raise TypeError(f"no fields of it: {list(begins.values())}")

    def of(self, kind: Any, value: str) -> str:
        # An expression for the bytes of `value`, which is one too.
        if isinstance(kind, list):
            if len(kind) != 2 or kind[0] != "null":
                raise TypeError(f"no writer of {kind}: null comes first, then one other type")
            return f"(b'\\0' if (o := {value}) is None else b'\\2' + {self.of(kind[1], 'o')})"
        name = _name_of(kind)
        if name in self._fixed:
            return self.of(self._fixed[name], value)
        if name in _TEMPLATES:
            return _TEMPLATES[name].format(v=value)
        if name == "double":
            return self._doubles([value])
        if name == "enum":
            return f"{self._named({word: long_bytes(code) for code, word in enumerate(kind['symbols'])})}[{value}]"
        if name == "fixed":
            self._fixed[kind["name"]] = kind
            return f"fixed({value}, {kind['size']})"
        if name == "record":
            return f"{self._named(record_writer(kind, place=self._place))}({value})"
        if name == "array":
            return f"{self._named(_array_writer(kind['items'], self._place))}({value})"
        raise TypeError(f"no writer of {kind}")

    def _doubles(self, values: Sequence[str]) -> str:
        return f"{self._named(struct.Struct(f'<{len(values)}d').pack)}({', '.join(values)})"

    def _remembered(self, fields: Mapping[str, Any]) -> str:
        kinds = {name: _name_of(kind) for name, kind in fields.items()}
        if not set(kinds.values()) <= {*_NUMBERS, "string", "enum"}:
            raise TypeError(f"not found again by equality: {kinds}")
        text = _Text(str(fields), self._place)
        values = ["v"] if len(fields) == 1 else [f"v[{i}]" for i in range(len(fields))]
        write = text.joined([text.of(kind, value) for kind, value in zip(fields.values(), values, strict=True)])
        memo = Memo(write, MOST_NUMBERS if set(kinds.values()) <= {*_NUMBERS} else MOST_NAMES)
        return f"{self._named(memo)}[{', '.join(self._place(self._title, name) for name in fields)}]"

    def _named(self, thing: Any) -> str:
        name = f"_{len(self._names)}"
        self._names[name] = thing
        return name


def _name_of(kind: Any) -> str:
    # A union is none of them. A moment is a number that is rarely small.
    if isinstance(kind, dict):
        kind = "moment" if kind.get("logicalType") == "timestamp-micros" else kind["type"]
    return kind if isinstance(kind, str) else "union"


def _array_writer(kind: Any, place: Place) -> Write:
    # One block, as the library writes it.
    write = value_writer(kind, place)

    def write_items(items: Sequence[Any]) -> bytes:
        return b"".join((long_bytes(len(items)), *map(write, items), b"\0")) if items else b"\0"

    return write_items
