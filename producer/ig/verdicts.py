"""PURE. What IG's error codes and Lightstreamer's codes and states mean for us.

Source: IG's REST reference (an error is always ``{"errorCode": ...}``; a spent allowance is 403, never 429), the table of
Lightstreamer's client errors, and what users of both report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from schemas.timeframes import DAY, MINUTE

Fate = Literal["refused", "expired", "busy", "spent", "absent", "failed"]
"""refused: a person has to act; expired: log in again; busy: too many requests; spent: the week's points are used up;
absent: no such epic, or too many points asked for; failed: the same again later."""

TAKEN_OVER = 35
IN_FLIGHT_US = 250_000
"""Our choice: what a timer or a reader may be late by, taken off the moment at which a stream was last heard."""
_TIMES = {"price": "TIMESTAMP", "tick": "UTM", "heartbeat": "HEARTBEAT"}
_OLDEST_US = {"price": 7 * DAY, "tick": 7 * DAY, "heartbeat": MINUTE}


def fate_of(status: int, code: str) -> Fate:
    """Return what a REST answer other than 200 means, by HTTP status and errorCode."""
    if "historical-data-allowance" in code:
        return "spent"
    if "exceeded-" in code or status == 429:
        return "busy"
    if "token-invalid" in code or "token-missing" in code:
        return "expired"
    if status in (401, 403) or (status == 400 and "security" in code) or "encryption" in code:
        return "refused"
    if status == 404:
        return "absent"
    return "failed"


@dataclass(frozen=True)
class Ending:
    """How a stream ended: ``http_status`` is the kind of failure for the feed's loop; ``relogin``: the tokens are of no use."""

    http_status: int | None
    relogin: bool
    detail: str


def ending_of(code: int, message: str, *, fresh: bool) -> Ending:
    """Return what a terminal error of the stream means.

    Args:
        code: of CONERR or END, as the client library reports it.
        message: the server's.
        fresh: the tokens were given out for this attempt, so that they cannot have grown old.
    """
    detail = f"the stream ended with code {code}: {message}"
    if code == TAKEN_OVER:
        # Another consumer of the same account: waiting long ends the fight, and the alarm says that somebody has to choose.
        return Ending(403, False, "another session of the same account has taken over")
    if code == 1 or code <= 0:
        # The password is made of REST tokens, which a weekend's maintenance makes invalid; only fresh ones refused are wrong.
        return Ending(403 if fresh else None, True, detail)
    if code in (7, 8, 9, 10):
        return Ending(429, False, detail)
    if code in (2, 11, 60, 71):
        return Ending(403, False, detail)
    return Ending(None, False, detail)


def sent_by_us(kind: str, fields: Mapping[str, str | None], receive_us: int) -> int:
    """Return the moment up to which an item that has come proves all that the venue sent before it.

    The venue's own time, where the item tells one: under load, what was sent long ago is received only now. The heartbeat's
    value was seen to be such a time, but is not documented: anything else that it may be counts as nothing.
    """
    text = fields.get(_TIMES[kind])
    told_us = int(text) * 1000 if text is not None and text.isascii() and text.isdecimal() and len(text) < 16 else 0
    if told_us >= receive_us - _OLDEST_US[kind]:
        return min(told_us, receive_us)
    return receive_us - IN_FLIGHT_US if kind == "heartbeat" else 0


def last_heard_us(noticed_us: int, silence_ms: int, sent_by: int) -> int:
    """Return the latest moment at which the stream was surely there, when the client notices that it is not.

    Args:
        noticed_us: when the client's state changed.
        silence_ms: the longest that it waits for a line before it changes its state.
        sent_by: what the items prove, see `sent_by_us`; 0 for nothing.
    """
    return max(sent_by, noticed_us - silence_ms * 1000 - IN_FLIGHT_US)
