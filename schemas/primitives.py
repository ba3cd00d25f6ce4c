"""PURE. Avro's numbers and texts as bytes, from tables.

Avro writes a number seven bits a byte, the lowest first, its sign in the lowest bit; the highest bit of a byte says that another
follows. Here two such bytes are looked up at a time.
"""

from __future__ import annotations

_ONE = [bytes((value,)) for value in range(256)]
MORE = [low + high for high in _ONE[128:] for low in _ONE[128:]]
"""Two bytes that are followed by others, for each fourteen bits."""
LAST = _ONE[:128] + [low + high for high in _ONE[1:128] for low in _ONE[128:]]
"""The same where nothing follows: one byte where that is enough."""
SMALL = LAST[::2]
"""Whole numbers from 0 to 8191."""
LOWEST = MORE[::2]
"""The lowest thirteen bits of a larger number that is not negative."""


def long_bytes(number: int) -> bytes:
    """Return a 64-bit integer as Avro writes it.

    Raises:
        ValueError: it has more bits.
    """
    rest = number << 1 ^ number >> 63
    if rest < 1 << 14:
        return LAST[rest]
    if rest < 1 << 28:
        return MORE[rest & 16383] + LAST[rest >> 14]
    if rest >> 64:
        raise ValueError(f"{number} does not fit into 64 bits")
    begin = MORE[rest & 16383] + MORE[rest >> 14 & 16383]
    rest >>= 28
    if rest < 1 << 14:
        return begin + LAST[rest]
    if rest < 1 << 28:
        return begin + MORE[rest & 16383] + LAST[rest >> 14]
    return begin + MORE[rest & 16383] + MORE[rest >> 14 & 16383] + LAST[rest >> 28]


def int_bytes(number: int) -> bytes:
    """Return a 32-bit integer as Avro writes it.

    Raises:
        ValueError: it has more bits.
    """
    if (number << 1 ^ number >> 63) >> 32:
        raise ValueError(f"{number} does not fit into 32 bits")
    return long_bytes(number)


def text_bytes(text: str) -> bytes:
    """Return a string as Avro writes it.

    Raises:
        ValueError: it holds half of a surrogate pair.
    """
    data = text.encode()
    return long_bytes(len(data)) + data


def fixed_bytes(data: bytes, size: int) -> bytes:
    """Return bytes of a known number as Avro writes them.

    Raises:
        ValueError: their number is another.
    """
    if len(data) != size:
        raise ValueError(f"{len(data)} bytes, not {size}")
    return data
