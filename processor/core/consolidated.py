"""PURE. What instruments of one group say of a minute, and which of them is followed (ARCHITECTURE, R24).

An instrument's word on a closed 1m window is its candle, or that it has none and why. Of words only the newest counts (the
highest version; of equal ones that of the weightier cause), and what is made of a group's words depends on nothing else: neither
on the order in which they came, nor on what was published before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from processor.core.ohlcv import UNIT, share_lost_ppm, version_of
from processor.core.timeline import PRIORITY, Loss, lost_in
from schemas.records import Candle, GapCause, Provenance
from schemas.timeframes import BASE_US

GENERATION = 10**12
_WRAP = (1 << 64) - 1
_WEIGHT = {cause: len(PRIORITY) - rank for rank, cause in enumerate(PRIORITY)}
_WEIGHTS = 16
"""More than there are weights: what is known of a word without candle is its version, and then its cause."""
_MOST = 1 << 34
"""More than all that is known of a word without candle (one fill, everything lost)."""


class Word(NamedTuple):
    """What one instrument's newest content of a closed 1m window is; `version` is without the generation."""

    version: int
    lost_us: int
    cause: GapCause
    candle: Candle | None = None

    @property
    def intact(self) -> bool:
        """True where nothing of the window was ever lost, so that nothing of it was filled either."""
        fills = self.version // version_of(0, 1, 0, 0, False)
        return not self.lost_us and not fills

    @property
    def weight(self) -> int:
        """How weighty its cause is: a moment that is lost for two causes is the weightier one's, whichever was told first."""
        return _WEIGHT.get(self.cause, 0)

    def newer_than(self, other: Word | None) -> bool:
        """Tell whether this is the newer one; a candle is newer than its absence, for it never goes away."""
        return other is None or self._place > other._place

    @property
    def _place(self) -> tuple[bool, int, int]:
        return self.candle is not None, self.version, self.weight


UNKNOWN = Word(0, BASE_US, "partial_start")
"""The word of one that does not vouch for a window that is over: it was not served then, as far as is known."""


def word_of(candle: Candle) -> Word:
    """Return the word that a final or revised 1m candle is."""
    lost_us = BASE_US - round(candle.coverage * BASE_US)
    return Word(candle.version % GENERATION, lost_us, candle.gap_cause, candle)


def word_without(timeline: Sequence[Loss], start: int) -> Word:
    """Return the word of an instrument that has no candle of the minute at `start`, by its disjoint losses.

    Its version grows as that of a candle does (R2): with what is found lost, and by more with what is filled. It is never 0, for
    that the window is closed is knowledge too: silence that is certain may take the place of a loss. Of several causes it has
    the weightiest: that one only gains, the one with most time can go to and fro.
    """
    end = start + BASE_US
    lost_us, cause = lost_in(timeline, start, end)
    if lost_us:
        touching = (x.cause for x in timeline if x.start < end and start < x.known_to and not x.is_filled)
        cause = max(touching, key=lambda c: _WEIGHT.get(c, 0))
    filled = any(x.start < end and start < x.known_to and x.is_filled for x in timeline)
    return Word(version_of(0, int(filled), 0, share_lost_ppm(lost_us, BASE_US), True), lost_us, cause)


class Choice(NamedTuple):
    """What a group shows of one minute: `word` is the chosen one, whose candle is None where nobody that was asked has one."""

    version: int
    word: Word
    at: int
    """Whose word it is, by its place in the group's order."""
    known: int
    """Grows with whatever is learned of the words asked, as far as none of them has a candle."""
    waits: bool
    """True where somebody who would be asked has not closed the window yet."""


def choose(words: Sequence[Word | None]) -> Choice | None:
    """Return what a group shows of a minute; None while its window is not closed.

    The instruments are asked in their order, up to the first that is intact: it needs nobody behind it. Of the candles of those
    asked the one with the highest coverage is shown, the earlier one of equals; where nobody has a candle, the word of the one
    that lost least, and of one that was not served only if that is all there is. Who has not closed the window yet is waited for,
    as are those behind it.

    The version is the sum of the words asked. Each of them only grows; and once asked, nobody is left out again, for who is not
    intact never becomes so. So newer knowledge has the higher version, whichever way the choice goes.

    Args:
        words: one an instrument, in the group's order; None where its window is not closed.
    """
    asked: list[Word] = []
    waits = False
    for word in words:
        if word is None:
            waits = True
            break
        asked.append(word)
        if word.intact:
            break
    if not asked:
        return None
    shown = [i for i, w in enumerate(asked) if w.candle is not None] or range(len(asked))
    at = min(shown, key=lambda i: (asked[i].lost_us, not asked[i].version))
    known = sum(w.version * _WEIGHTS + w.weight + _served(len(words) - 1 - i) for i, w in enumerate(asked) if w.version)
    return Choice(sum(w.version for w in asked), asked[at], at, known, waits)


def _served(behind: int) -> int:
    # That one was served after all is worth more than the words of all behind it, which it may make needless.
    return _MOST * ((1 << behind) - 1)


class Rolled(NamedTuple):
    """A consolidated window of any timeframe: `candle` lacks what names and numbers its publication."""

    candle: Candle
    version: int


def roll_up(children: Sequence[Choice], sources: Sequence[str], timeframe: str, start: int, end: int) -> Rolled | None:
    """Return the parent of consolidated minutes, None where none of them has a candle.

    Sums are made of the children's volumes as integers of 10^-9 units, so grouping and order are without effect.

    Args:
        children: all minutes of ``[start, end)``, in order.
        sources: the group's sources in its order; more than one are joined by commas.
        timeframe: name of the parent's timeframe.
        start: of the parent, microseconds.
        end: of the parent, exclusive.
    """
    candles = [c.word.candle for c in children if c.word.candle is not None]
    if not candles:
        return None
    lost: dict[GapCause, int] = {}
    for child in children:
        if child.word.lost_us:
            lost[child.word.cause] = lost.get(child.word.cause, 0) + child.word.lost_us
    sizes = [round(c.volume * UNIT) for c in candles]
    size_n = sum(sizes)
    notional_n = sum(round(c.vwap * n) for c, n in zip(candles, sizes, strict=True))
    named = {c.source: c.symbol for c in candles}
    followed = [s for s in sources if s in named]
    total = sum(c.fingerprint for c in candles) & _WRAP
    first, last = candles[0], candles[-1]
    whole = replace(
        first,
        source=",".join(followed),
        symbol=",".join(named[s] for s in followed),
        timeframe=timeframe,
        start=start,
        end=end,
        high=max(c.high for c in candles),
        low=min(c.low for c in candles),
        close=last.close,
        volume=size_n / UNIT,
        buy_volume=sum(round(c.buy_volume * UNIT) for c in candles) / UNIT,
        vwap=notional_n / size_n if size_n else 0.0,
        trade_count=sum(c.trade_count for c in candles),
        update_count=sum(c.update_count for c in candles),
        last_event_time=last.last_event_time,
        provenance=_provenance({c.provenance for c in candles}),
        coverage=(end - start - sum(lost.values())) / (end - start),
        gap_cause=max(sorted(lost), key=lambda c: lost[c]) if lost else "none",
        late_count=sum(c.late_count for c in candles),
        input_offset=max(c.input_offset for c in candles),
        fingerprint=total - (1 << 64) if total >> 63 else total,
    )
    return Rolled(whole, sum(c.version for c in children) + 1)


def _provenance(of_children: set[Provenance]) -> Provenance:
    return next(iter(of_children)) if len(of_children) == 1 else "mixed"
