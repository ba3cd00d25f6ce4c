"""PURE. The wanted symbols out of a text: a setting, or the file that is watched."""

from __future__ import annotations


def parse_symbols(text: str, most: int) -> tuple[str, ...]:
    """Return the symbols of a text, each once, in its order; commas and line ends part them, ``#`` begins a comment.

    Args:
        text: as in ``AAPL,BINANCE:BTCUSDT``, or one a line.
        most: how many the provider delivers.

    Raises:
        ValueError: none, more than `most`, or one that is no printable text; says which, without the text.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    names = tuple(dict.fromkeys(s.strip() for line in lines for s in line.split(",") if s.strip()))
    if not names:
        raise ValueError("names no symbol: comma-separated symbols are needed")
    if len(names) > most:
        raise ValueError(f"names {len(names)} symbols; the plan delivers {most}, others stay silent")
    if not all(s.isprintable() for s in names):
        raise ValueError("holds a character that cannot be printed")
    return names
