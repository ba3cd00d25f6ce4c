"""PURE. What colours mean on every dashboard: grey is silence, red and orange are losses, green is whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
RED, ORANGE, GREEN, BLUE, GREY = "red", "orange", "green", "blue", "#808080"


def steps(*colours: tuple[float | None, str]) -> Json:
    """Return thresholds: from each number on its colour; None = from the beginning."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in colours]}


COVERAGE = steps((None, RED), (0.5, ORANGE), (1, GREEN))
"""A candle is whole only at exactly 1: a loss of no duration still lowers it by a millionth."""


def value_colours(colours: Mapping[str, str]) -> Json:
    """Return a mapping of texts to colours."""
    return {"type": "value", "options": {text: {"color": colour, "index": n} for n, (text, colour) in enumerate(colours.items())}}


GAP_CAUSES = value_colours(
    {
        "no_trades": GREY,
        "market_closed": GREY,
        "unsubscribed": GREY,
        "partial_start": BLUE,
        "feed_stale": ORANGE,
        "lost_updates": ORANGE,
        "skipped_ids": ORANGE,
        "lost_sequence": ORANGE,
        "overflow": ORANGE,
        "refused": RED,
        "feed_down": RED,
        "producer_down": RED,
    }
)
FEED_STATES = value_colours(
    {
        "live": GREEN,
        "market_closed": GREY,
        "finished": GREY,
        "connecting": BLUE,
        "stopping": BLUE,
        "stale": ORANGE,
        "refused": RED,
        "down": RED,
        "producer_down": RED,
    }
)
