"""PURE. What a history record's bytes tell before they are decoded."""

from __future__ import annotations

from schemas.primitives import long_bytes, text_bytes
from schemas.wire import HEADER_BYTES

_RESULT = long_bytes(1)  # HistoryKind's second word


def is_result(value: bytes, source: str, symbol: str) -> bool:
    """Tell whether a framed history record of this instrument, written with our field order, is a result.

    A month of 50 symbols is two million candles and a few hundred results; whoever wants the results alone looks here first.
    """
    # framing, source, symbol, one byte of price, one byte of record
    at = HEADER_BYTES + len(text_bytes(source)) + len(text_bytes(symbol)) + 1
    return value[at : at + 1] == _RESULT
