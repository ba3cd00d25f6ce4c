"""PURE. When the demo cuts the line: so that a minute ends soon after it, for no vendor has a minute before it is over."""

from __future__ import annotations

MINUTE_S = 60.0
OUTAGE_S = 4.0
BACK_S = 4.0
"""From the end of an outage until the feed is surely good again: the longest wait between attempts, a login, subscriptions."""
FILLED_S = 13.0
"""From the last minute's end until its gaps are told as filled: a vendor's "no data" is believed after 7 s (our choice)."""
FIRST_S, FALLBACK = 6.0, 0.4
"""Candles are to be seen before it. Where no minute ends in time: a share of the duration, as good a moment as any."""


def outage_in(now_s: float, duration_s: float | None) -> float:
    """Return how long from now to cut the line, in seconds.

    Args:
        now_s: now, UNIX time.
        duration_s: how long the demo goes on from now; None = until it is ended.
    """
    until_fit = FIRST_S + (-OUTAGE_S - BACK_S - now_s - FIRST_S) % MINUTE_S
    if duration_s is None or until_fit + OUTAGE_S <= duration_s:
        return until_fit
    return duration_s * FALLBACK


def filled_by(gap_ends_s: float) -> float:
    """Return when a gap that ends then is to be filled (UNIX time, s): some seconds after the end of its last minute."""
    return -(-gap_ends_s // MINUTE_S) * MINUTE_S + FILLED_S
