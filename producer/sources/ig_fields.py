"""PURE. Texts of IG's stream as numbers: exact, in range, or an error that names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from producer.errors import RemoteError
from schemas.timeframes import DAY, SECOND

# Our choice: older or newer is a wrong unit (seconds for milliseconds) or a broken clock.
OLDEST_US = 7 * DAY
AHEAD_US = 60 * SECOND
_PLAIN = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
Fields = Mapping[str, str | None]


def number(fields: Fields, name: str, scale: Decimal = Decimal(1)) -> float:
    """Return a value of 0 or more, divided by `scale`; 0.0 where it is null (IG leaves sizes out at times).

    The division is exact and rounded once, so that 12654.2 over 10000 is the double of the text 1.26542.

    Raises:
        RemoteError: no plain decimal number.
    """
    text = fields.get(name)
    if text is None or text == "":
        return 0.0
    if not _PLAIN.fullmatch(text):
        raise RemoteError("bad_number", f"{name}: a plain decimal number is needed")
    return float(text) if scale == 1 else float(Decimal(text) / scale)


def positive(fields: Fields, name: str, scale: Decimal) -> float:
    """Return a price: a value above 0, divided by `scale`.

    Raises:
        RemoteError: null, no plain decimal number, or 0.
    """
    value = number(fields, name, scale)
    if value <= 0:
        raise RemoteError("bad_price", f"{name}: has to be above 0")
    return value


def event_time(fields: Fields, name: str, now_us: int) -> int:
    """Return the microseconds UTC of a field in milliseconds.

    Raises:
        RemoteError: no integer, more than 7 days old, or more than 60 s ahead.
    """
    text = fields.get(name)
    if text is None or not re.fullmatch(r"[0-9]{1,17}", text, re.ASCII):
        raise RemoteError("bad_time", f"{name}: integer milliseconds are needed")
    event = int(text) * 1000
    if not now_us - OLDEST_US <= event <= now_us + AHEAD_US:
        raise RemoteError("bad_time", f"{name}: more than 7 days old, or 60 s ahead: wrong unit or clock")
    return event
