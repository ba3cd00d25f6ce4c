"""PURE. Sets of time as sorted, disjoint, half-open intervals in microseconds."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.timeframes import BASE_US

Span = tuple[int, int]


def united(spans: Iterable[Span]) -> list[Span]:
    """Return the union of `spans`, in any order, as disjoint intervals; touching ones become one."""
    whole: list[Span] = []
    for start, end in sorted(s for s in spans if s[0] < s[1]):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return whole


def without(wanted: Span, spans: Iterable[Span]) -> list[Span]:
    """Return what is left of `wanted` without `spans`."""
    left: list[Span] = []
    at, end = wanted
    for start, stop in united(spans):
        if start > at and at < end:
            left.append((at, min(start, end)))
        at = max(at, stop)
    if at < end:
        left.append((at, end))
    return left


def newest_first(spans: Iterable[Span], longest_us: int) -> list[Span]:
    """Cut `spans` into pieces of at most `longest_us`, the newest piece first, each cut counted from its span's end."""
    pieces: list[Span] = []
    for start, stop in sorted(spans, reverse=True):
        end = stop
        while end > start:
            begin = max(start, end - longest_us)
            pieces.append((begin, end))
            end = begin
    return pieces


def length(spans: Iterable[Span]) -> int:
    """Return how much time disjoint `spans` hold."""
    return sum(end - start for start, end in spans)


def windows_over(start: int, end: int) -> Span:
    """Return the whole 1m windows that [start, end) touches; at least the one that holds `start`."""
    return start // BASE_US * BASE_US, max(-(-end // BASE_US), start // BASE_US + 1) * BASE_US
