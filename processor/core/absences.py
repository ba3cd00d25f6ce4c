"""PURE. When a source's symbols were not served: left out of its list of symbols after an earlier one had named them (R15)."""

from __future__ import annotations

from collections.abc import Collection

from processor.core.timeline import FOREVER, INSTANT_US, Loss
from schemas.timeframes import BASE_US

Place = tuple[str, str]
"""(symbol, kind of data)."""


class Absences:
    """The absences of one source's symbols; they are losses with the cause ``unsubscribed``."""

    def __init__(self) -> None:
        self.known: dict[Place, list[Loss]] = {}
        """In order of time; the last one may last."""

    def add(self, place: Place, start: int, end: int) -> None:
        """Take in an absence that is known already, up to FOREVER where it lasts."""
        self.known.setdefault(place, []).append(Loss(start, end, "unsubscribed", start if end == FOREVER else end))

    def leave(self, place: Place, moment: int) -> None:
        """Take in that a symbol is served no more since `moment` (microseconds); if it has left already, that stands."""
        if self.since(place) is None:
            self.add(place, moment, FOREVER)

    def come_back(self, place: Place, good_from: int, clock: int) -> None:
        """Take in that a symbol that had left is good again from `good_from` on, as was said at `clock`.

        What was lost up to then stays lost, for it may have been told: an absence ends with no earlier minute than `clock` is in,
        and never where it began, for silence around it may have been told in two.
        """
        last = self.known[place][-1]
        end = max(last.start + INSTANT_US, good_from, _whole(clock))
        self.known[place][-1] = last._replace(end=end, known_to=end)

    def since(self, place: Place) -> int | None:
        """Return since when a symbol is away, None if it is not."""
        known = self.known.get(place)
        return known[-1].start if known and known[-1].lasts else None

    @property
    def away(self) -> Collection[Place]:
        """The symbols that are away."""
        return [place for place, losses in self.known.items() if losses[-1].lasts]

    def of(self, place: Place, clock: int) -> list[Loss]:
        """Return a symbol's absences; one that lasts is known to last as far as `clock`, in whole minutes."""
        known = self.known.get(place, ())
        return [x._replace(known_to=max(x.start, _whole(clock))) if x.lasts else x for x in known]

    def forget(self, place: Place) -> None:
        """Drop what is known of a symbol."""
        del self.known[place]

    def forget_before(self, floor: int) -> None:
        """Drop absences that ended before `floor`; those that last stay."""
        kept = {place: [x for x in losses if x.end > floor] for place, losses in self.known.items()}
        self.known = {place: losses for place, losses in kept.items() if losses}


def _whole(moment: int) -> int:
    return moment // BASE_US * BASE_US
