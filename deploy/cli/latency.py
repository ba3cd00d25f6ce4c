"""PURE. How long a trade takes to become readable, out of what a reader saw and what the venue sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Sighting(NamedTuple):
    """A row as a reader found it: at `seen_us` it held every record up to event time `last_event_us`."""

    seen_us: int
    start_us: int
    last_event_us: int


def latencies_us(sent: Iterable[tuple[int, int]], sightings: Sequence[Sighting], length_us: int) -> list[int]:
    """Return, for each trade that was seen, the time from its sending to the first sighting of a candle that holds it.

    Args:
        sent: (event time, sending time) of one series' trades.
        sightings: of that series' candles, in order of time.
        length_us: the candles' timeframe.
    """
    by_start: dict[int, list[Sighting]] = {}
    for sighting in sightings:
        by_start.setdefault(sighting.start_us, []).append(sighting)
    found = []
    for event_us, sent_us in sent:
        of_window = by_start.get(event_us // length_us * length_us, [])
        first = next((s.seen_us for s in of_window if s.last_event_us >= event_us), None)
        if first is not None:
            found.append(max(0, first - sent_us))
    return found


def percentile(values: Sequence[int], share: float) -> int | None:
    """Return the smallest value that at least `share` of all do not exceed; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)  # rounded up
    return ordered[max(0, int(rank) - 1)]
