"""PURE. What is known of one source's feed on one partition: a state machine over its statuses.

An outage runs from the last good moment to the next good one and is ONE loss with the cause of its first bad status, even
if the state changes meanwhile. Statuses of an older epoch than the newest seen move nothing.
"""

from __future__ import annotations

from processor.core.absences import Absences
from processor.core.timeline import BEFORE, FOREVER, INSTANT_US, Loss
from schemas.records import FeedStatus, GapCause, IdOrder, Served

_GOOD = ("live", "market_closed")
_CAUSE: dict[str, GapCause] = {
    "connecting": "feed_down",
    "down": "feed_down",
    "stale": "feed_stale",
    "refused": "refused",
    "stopping": "producer_down",
    "producer_down": "producer_down",
}
_OUTAGES = frozenset(_CAUSE.values())


class Feed:
    """The timeline of one source."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.epoch = 0
        self.replay = False
        self.finished = False
        self.state = "unknown"
        self.clock = BEFORE
        """Receive time up to which everything is processed (complete_to of reached statuses); never goes back."""
        self.good_from: int | None = None
        self.good_until: int | None = None
        self.ids: IdOrder = "none"
        self.losses: list[Loss] = []
        """Ended losses of the whole source, then, while it lasts, the outage."""
        self.symbol_losses: dict[str, list[Loss]] = {}
        self.served: dict[tuple[str, str], Served] = {}
        """The symbols that its last list names, by (symbol, kind)."""
        self.absences = Absences()
        """Of symbols that lists named before and name no more, or did not for a while."""
        self.offset = -1
        """Offset of the last status applied."""
        self.trades_from = self.quotes_from = 0
        """The oldest records that could be read; 0: the first ones, or it has been found since when what was read is all."""
        self.known_from: int | None = None
        """Since when it is known what came, where older records were deleted before they were read."""
        self.revision = 0
        """Grows whenever losses change, so that timelines made from them can be kept until then."""

    @property
    def outage(self) -> Loss | None:
        """The outage that lasts, if one does."""
        return self.losses[-1] if self.losses and self.losses[-1].lasts else None

    def apply(self, status: FeedStatus) -> int | None:
        """Take in one status; return the first moment whose coverage may have changed, or None."""
        if status.epoch < self.epoch or (self.finished and status.epoch == self.epoch):
            return None
        changed: list[int] = []
        if status.epoch > self.epoch:
            self._begin_run(status, changed)
        self.state = status.state
        self.ids = status.ids
        if status.state in _GOOD or status.state == "finished":
            self._good(status, changed)
        elif status.state in _CAUSE:
            self._bad(status, changed)
        self._take_losses(status, changed)
        self.clock = max(self.clock, status.complete_to)
        if status.symbols is not None:
            self._take_list(status.symbols)
        if status.state == "finished":
            self.finished = True
        if changed:
            self.revision += 1
        return min(changed) if changed else None

    def _take_list(self, symbols: tuple[Served, ...]) -> None:
        named: dict[tuple[str, str], Served] = {(s.symbol, s.kind): s for s in symbols}
        if self.replay:
            self.served.update(named)
            return
        gone = self.served.keys() - named.keys()
        for place in gone:
            self.absences.leave(place, self.clock)
        back = [place for place in self.absences.away if place in named]
        for symbol, kind in back:
            good_from = self.good_from_of(named[symbol, kind])
            if good_from is not None:
                self.absences.come_back((symbol, kind), good_from, self.clock)
        self.revision += bool(gone or back)
        self.served = named

    @property
    def looks_back(self) -> bool:
        """True while it is not known since when all that came was read."""
        return bool(self.trades_from or self.quotes_from)

    def look_back(self, status: FeedStatus) -> None:
        """Take in what a status says of where records were deleted: those up to its offsets had come at its clock (R17)."""
        reached = status.trades_offset >= self.trades_from and status.quotes_offset >= self.quotes_from
        begins = self.known_from is None and status.good_from is None and reached
        if not begins and not status.replay:
            self.known_from = max(status.complete_to, BEFORE if self.known_from is None else self.known_from)
        if reached or status.replay:
            self.trades_from = self.quotes_from = 0

    def good_from_of(self, served: Served) -> int | None:
        """Return from when a symbol is accounted for, None while it is not.

        One that is refused was never good, so from there, that it can be seen; none before what came is known.
        """
        good_from = served.good_from if served.good_from is not None else self.refused_from(served.symbol)
        if good_from is None or self.known_from is None:
            return good_from
        return None if self.looks_back else max(good_from, self.known_from)

    def _begin_run(self, status: FeedStatus, changed: list[int]) -> None:
        first = self.epoch == 0
        ended, self.epoch = self.finished, status.epoch
        if first or ended or status.replay:
            # A replay's run has a clock of its own and nothing to do with the run before.
            self.replay, self.finished = status.replay, False
            self.clock = BEFORE
            self.good_from = self.good_until = None
            self.losses, self.symbol_losses, self.served = [], {}, {}
            self.absences = Absences()
            self.revision += 1
        elif self.outage is None and self.good_until is not None:
            self._open(self.good_until, "producer_down", self.good_until, changed)

    def _good(self, status: FeedStatus, changed: list[int]) -> None:
        if status.good_from is None:
            return
        outage = self.outage
        if outage is not None:
            end = max(status.good_from, outage.known_to)
            self.losses[-1] = outage._replace(end=end, known_to=end)
            changed.append(outage.start)
        elif self.good_from is not None and self.good_until is not None and status.good_from > self.good_until:
            # The status that told of this outage never arrived; its borders did.
            self.losses.append(Loss(self.good_until, status.good_from, "feed_down", status.good_from))
            changed.append(self.good_until)
        self.good_from = status.good_from
        until = status.good_until if status.good_until is not None else status.complete_to
        self.good_until = max(until, status.good_from)

    def _bad(self, status: FeedStatus, changed: list[int]) -> None:
        if self.outage is not None:
            self._extend(status.complete_to, changed)
            return
        if self.good_from is None and status.state == "connecting":
            return  # starting up: nothing was ever good, so nothing is lost yet
        start = status.good_until if status.good_until is not None else self.good_until
        if start is None:
            start = status.complete_to
        self._open(start, _CAUSE[status.state], max(start, status.complete_to), changed)

    def _open(self, start: int, cause: GapCause, known_to: int, changed: list[int]) -> None:
        # Outages do not overlap; what else was lost then yields to them (R14).
        start = max([start, *(x.end for x in self.losses if x.cause in _OUTAGES)])
        self.losses.append(Loss(start, FOREVER, cause, max(start, known_to)))
        changed.append(start)

    def _extend(self, known_to: int, changed: list[int]) -> None:
        outage = self.losses[-1]
        if known_to > outage.known_to:
            self.losses[-1] = outage._replace(known_to=known_to)
            changed.append(outage.known_to)

    def _take_losses(self, status: FeedStatus, changed: list[int]) -> None:
        for told in status.losses:
            if told.cause == "unknown" or told.to_time < told.from_time:
                continue
            if told.symbol is not None and told.cause == "refused" and told.to_time >= status.sent_at:
                self._still_refused(told.symbol, told.from_time, told.to_time, told.detail, changed)
                continue
            end = max(told.to_time, told.from_time + INSTANT_US)
            loss = Loss(told.from_time, end, told.cause, end, told.missing, told.detail)
            if told.symbol is None:
                known = self.losses
                at = len(known) - (self.outage is not None)
            else:
                known = self.symbol_losses.setdefault(told.symbol, [])
                at = len(known)
            if loss not in known:
                known.insert(at, loss)
                changed.append(loss.start)
        if status.symbols is not None:
            self._end_refusals(status, status.symbols, changed)

    def _still_refused(self, symbol: str, start: int, known_to: int, detail: str, changed: list[int]) -> None:
        # Said again and again, with the moment up to which it lasts: one loss, open while it does.
        known = self.symbol_losses.setdefault(symbol, [])
        for i, loss in enumerate(known):
            if loss.lasts and loss.start == start:
                if known_to > loss.known_to:
                    known[i] = loss._replace(known_to=known_to)
                    changed.append(loss.known_to)
                return
        known.append(Loss(start, FOREVER, "refused", max(start, known_to), None, detail))
        changed.append(start)

    def _end_refusals(self, status: FeedStatus, symbols: tuple[Served, ...], changed: list[int]) -> None:
        good_from = {s.symbol: s.good_from for s in symbols}
        told = {(x.symbol, x.from_time) for x in status.losses if x.cause == "refused"}
        for symbol, losses in self.symbol_losses.items():
            for i, loss in enumerate(losses):
                if loss.lasts and (symbol, loss.start) not in told:
                    end = max(loss.known_to, good_from.get(symbol) or loss.known_to)
                    losses[i] = loss._replace(end=end, known_to=end)
                    changed.append(loss.known_to)

    def refused_from(self, symbol: str) -> int | None:
        """Return since when the provider refuses `symbol`, None if it does not."""
        return next((x.start for x in self.symbol_losses.get(symbol, ()) if x.lasts), None)

    def losses_of(self, symbol: str) -> list[Loss]:
        """Return all losses that touch `symbol`, in no order."""
        return self.losses + self.symbol_losses.get(symbol, [])

    def forget_before(self, floor: int) -> None:
        """Drop losses that ended before `floor`; no window that is kept can touch them."""
        kept = [x for x in self.losses if x.end > floor]
        if len(kept) != len(self.losses):
            self.losses = kept
            self.revision += 1
        for symbol, losses in self.symbol_losses.items():
            self.symbol_losses[symbol] = [x for x in losses if x.end > floor]
        self.absences.forget_before(floor)
