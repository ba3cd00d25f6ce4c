"""PURE. Which question is next, and what its answer makes: gaps before bootstrap, each ended by one result."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from producer.history.backfill import Gaps
from producer.history.bootstrap import Bootstrap, Piece
from producer.history.protocol import EVERYTHING, HistoryClient, Page, Question, RefusedError
from producer.history.reading import Stamp, candles_of, result_of
from producer.history.spans import newest_first, windows_over
from schemas.records import Gap, HistoryCandle
from schemas.timeframes import BASE_US, DAY, HOUR, MINUTE, SECOND

# Our choices, with the reason beside each.
DOUBT_WAITS_US = (2 * SECOND, 5 * SECOND)  # "no data" that comes three times within 7 s is believed
FAILURES = 6  # unusable replies in a row, the last after about half a minute; then the result says so
RETRY_US = 15 * MINUTE  # after which a provider that did not answer is asked again
TAKEN_US = DAY  # after its beginning a gap's candles are not taken in any more (ARCHITECTURE, R19) ...
RECENT_US = 2 * HOUR  # ... but for those of the last hours, by the processor's horizon, which are taken whatever they answer
TOO_LATE = "answered more than a day after the gap began: older candles are not taken in any more"
EARLY_RUNS = 20  # with more gaps at once, one request each has to do, so that the account's minute is enough
_Outcome = Literal["complete", "partial", "refused"]


@dataclass
class Run:
    """One thing that ends with one result: a gap to fill, or a piece of the past. Its questions go from new to old."""

    symbol: str
    stamp: Stamp
    asked: tuple[int, int]  # what the result will name
    start: int
    end: int
    gap: Gap | None
    todo: deque[Question] = field(default_factory=deque)
    asked_to: int = 0
    not_before: int = 0
    brought: int = 0
    doubts: int = 0
    failures: int = 0
    missing: str = ""


class Turn(NamedTuple):
    """The next question, and whether it can wait for more important ones."""

    run: Run
    question: Question
    low: bool


class Planner:
    """Hears gaps and results, gives questions, turns answers into records. Times are microseconds UTC."""

    def __init__(self, client: HistoryClient, source: str, epoch: int, back_us: int, *, exact: bool = False) -> None:
        self._client = client
        self._exact = exact  # gaps are filled with trades, which need no window to be over
        self._source = source
        self._epoch = epoch
        self.gaps = Gaps()
        limit = client.bootstrap_limit_us
        self.bootstrap = Bootstrap(
            client.prices, back_us if limit is None else min(back_us, limit), client.longest_us, client.delay_us
        )
        self._runs: dict[str | Piece, Run] = {}
        self._refusals: dict[str, RefusedError] = {}  # by scope

    def heard_gap(self, gap: Gap) -> None:
        """Take in a gap of this source, at the start or while it runs."""
        self.gaps.heard(gap)
        self.bootstrap.heard_gap(gap)
        run, now = self._runs.get(gap.gap_id), self.gaps.get(gap.gap_id)
        if run is not None and (now is None or run.gap is None or now.version != run.gap.version):
            del self._runs[gap.gap_id]  # it is answered, empty, or shorter than it was: begin again with what it is now

    def heard_result(self, result: HistoryCandle) -> None:
        """Take in a result of an earlier run."""
        self.gaps.answered(result)
        self.bootstrap.heard_result(result)

    def unasked(self, now_us: int) -> list[HistoryCandle]:
        """Return results of what need not be asked: a refused scope is refused for all its symbols, an old gap is over."""
        late = [gap for gap in self.gaps.askable(now_us) if _is_late(gap, now_us)]
        old = [gap for gap in late if gap.cause != "partial_start" and (gap.to_time or 0) <= now_us - RECENT_US]
        results: list[HistoryCandle] = []
        for gap in old:
            begun = self._runs.get(gap.gap_id) or self._begin_gap(gap, now_us)
            results.append(self._end(begun, now_us, begun.missing, None, refused=False))
        while (run := self._run(now_us)) is not None and (error := self._refusal(run.symbol, now_us)) is not None:
            results.append(self._end(run, now_us, error.reason, error.retry_at, refused=True))
        return results

    def next(self, now_us: int) -> Turn | None:
        """Return the question to ask now; None when there is none. The same one again until it is answered."""
        run = self._run(now_us)
        return None if run is None else Turn(run, run.todo[0], run.gap is None)

    def answered(self, turn: Turn, page: Page, now_us: int) -> tuple[list[HistoryCandle], dict[str, int]]:
        """Return what a reply makes: candles, then, when that was the last reply, the result; and, by reason, what was dropped.

        Trades of the page are to be stored before any of it is written.
        """
        run = turn.run
        candles, dropped = candles_of(page, turn.question, run.stamp, now_us, now_us - self._client.delay_us)
        run.brought += len(candles) + len(page.trades)
        run.failures = 0
        if dropped.get("damaged"):
            run.missing = run.missing or f"{dropped['damaged']} candles of the provider were not usable"
        if page.doubt and run.doubts < len(DOUBT_WAITS_US):
            run.not_before = now_us + DOUBT_WAITS_US[run.doubts]
            run.doubts += 1
            return candles, dropped
        run.doubts = 0
        run.missing = page.missing or run.missing
        run.todo.popleft()
        if page.rest is not None:
            run.todo.appendleft(page.rest)
        if not run.todo and run.asked_to == run.end:
            candles.append(self._end(run, now_us, run.missing, None, refused=False))
        return candles, dropped

    def refused(self, turn: Turn, error: RefusedError, now_us: int) -> list[HistoryCandle]:
        """Return the result of a question that the provider will not answer."""
        if error.scope:
            self._refusals[error.scope] = error
        return [self._end(turn.run, now_us, error.reason, error.retry_at, refused=True)]

    def failed(self, turn: Turn, why: str, now_us: int) -> list[HistoryCandle]:
        """Return the result of a question that the provider could not answer, when it has failed often enough."""
        turn.run.failures += 1
        if turn.run.failures < FAILURES:
            return []
        return [self._end(turn.run, now_us, f"the provider did not answer: {why}", now_us + RETRY_US, refused=True)]

    def _run(self, now_us: int) -> Run | None:
        askable = self.gaps.askable(now_us)
        early = len(askable) <= EARLY_RUNS
        for gap in askable:
            run = self._runs.get(gap.gap_id) or self._begin_gap(gap, now_us)
            if self._is_ready(run, now_us, early=early):
                return run
        for piece in self.bootstrap.due(now_us):
            run = self._runs.get(piece) or self._begin_piece(piece)
            if self._is_ready(run, now_us, early=False):
                return run
        return None

    def _begin_gap(self, gap: Gap, now_us: int) -> Run:
        assert gap.to_time is not None
        start, end = windows_over(gap.from_time, gap.to_time)
        start = min(start, self.bootstrap.seam(gap))
        if (
            _is_late(gap, now_us) and gap.cause != "partial_start"
        ):  # which brings what lies before the first sight, taken at any time
            start = max(start, min(end, (now_us - RECENT_US) // BASE_US * BASE_US))
        stamp = Stamp(self._source, gap.symbol, gap.price, "backfill", gap.gap_id, self._epoch)
        run = Run(gap.symbol, stamp, (gap.from_time, gap.to_time), start, end, gap, asked_to=start)
        self._runs[gap.gap_id] = run
        return run

    def _begin_piece(self, piece: Piece) -> Run:
        stamp = Stamp(self._source, piece.symbol, piece.price, "bootstrap", None, self._epoch)
        run = Run(piece.symbol, stamp, (piece.start, piece.end), piece.start, piece.end, None, asked_to=piece.start)
        self._runs[piece] = run
        return run

    def _is_ready(self, run: Run, now_us: int, *, early: bool) -> bool:
        # A hole that ends in the middle of a minute: its whole minutes are asked for at once, the last one when it is over.
        settled_us = now_us - self._client.delay_us
        ready = min(run.end, settled_us // BASE_US * BASE_US)
        if self._exact and run.gap is not None and run.asked[1] <= settled_us:
            ready = run.end
        if not run.todo and ready > run.asked_to and (ready == run.end or (early and run.asked_to == run.start)):
            for start, end in newest_first([(run.asked_to, ready)], self._client.longest_us):
                run.todo.append(Question(run.symbol, start, end, run.stamp.price, run.gap))
            run.asked_to = ready
        return bool(run.todo) and run.not_before <= now_us

    def _refusal(self, symbol: str, now_us: int) -> RefusedError | None:
        for scope in (self._client.scope(symbol), EVERYTHING):
            error = self._refusals.get(scope)
            if error is not None and (error.retry_at is None or error.retry_at > now_us):
                return error
        return None

    def _end(self, run: Run, now_us: int, reason: str, retry_at: int | None, *, refused: bool) -> HistoryCandle:
        if run.gap is not None and _is_late(run.gap, now_us):
            # Not complete, whatever came: what was not taken in would be told as traded by nobody.
            reason, retry_at = reason or TOO_LATE, None
        outcome: _Outcome = "complete"
        if refused or reason:
            outcome = "partial" if run.brought else "refused"
        if retry_at is not None:
            retry_at = max(retry_at, now_us + MINUTE)  # a provider whose clock is behind ours must not make us ask in circles
            if run.gap is not None and _is_late(run.gap, retry_at):
                retry_at = None
        result = result_of(run.stamp, run.asked, outcome, reason, retry_at, now_us)
        self._runs = {key: kept for key, kept in self._runs.items() if kept is not run}
        self.heard_result(result)
        return result


def _is_late(gap: Gap, at_us: int) -> bool:
    return at_us - gap.from_time > TAKEN_US
