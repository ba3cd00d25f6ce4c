"""SHELL (HTTP, file). IG's minutes of bid and ask over the account's REST session, within the week's points."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import structlog

from producer.history.ig_points import Caps, Points, minutes, restored
from producer.history.ig_prices import Answer, local_time, read
from producer.history.protocol import EVERYTHING, BusyError, Limit, Page, Question, RefusedError, UnavailableError
from producer.ig.rest import IgError, IgRest
from producer.ig.scales import ask_scales
from schemas.records import Price
from schemas.timeframes import BASE_US, DAY, HOUR, SECOND

_log = structlog.get_logger()
DEPTH_US = 40 * DAY  # 1-minute prices are kept that long (IG's page on historical prices)
SHIFT_US = 15 * BASE_US  # the least by which zones differ; a candle so far from what was asked is of another hour
KEY_US = HOUR  # our choice: credentials that are wrong are replaced by people


class IgHistory:
    """One account's past; see `producer.history.protocol.HistoryClient`.

    Args:
        rest: the session, shared with the stream.
        epics: how many epics share the bootstrap's points is their number.
        prices: whose candles are loaded before live.
        scales: as in `producer.sources.ig.Ig`.
        caps: what may be spent.
        delay_s: how long after its end a minute is asked for.
        a_minute: requests; IG admits 30 of an account (a demo account about 10), and the stream's login needs some.
        file: where the points are kept over restarts; None: nowhere, and each start begins with a request for one minute.
    """

    longest_us = 480 * BASE_US  # our choice: an answer of 100 kB, a twentieth of the week's points

    def __init__(
        self,
        rest: IgRest,
        epics: tuple[str, ...],
        *,
        prices: tuple[Price, ...],
        scales: Mapping[str, Decimal] | None,
        caps: Caps,
        delay_s: float,
        a_minute: int,
        file: Path | None,
    ) -> None:
        self._rest = rest
        self._epics = epics
        self._scales = scales or {}
        self._told: dict[str, Decimal] | None = {} if scales is None else None  # by /markets
        self._caps = caps
        self._file = file
        self._points = _load(file)
        self.prices = prices
        self.delay_us = int(delay_s * SECOND)
        self.limits: tuple[Limit, ...] = (Limit(a_minute, 60.0),)
        self.bootstrap_limit_us: int | None = caps.bootstrap_a_week // max(1, len(epics)) * BASE_US

    def scope(self, symbol: str) -> str:
        """Return "prices": the account's points are one for all epics."""
        return "prices"

    def ask(self, question: Question, now_us: int) -> Page:
        """Ask for the newest part of a question that the points allow; see `HistoryClient.ask`."""
        if question.end <= now_us - DEPTH_US:
            raise RefusedError("IG keeps 1-minute prices for 40 days")
        bootstrap = question.gap is None
        page, start = _place(question)
        if page == 1:
            allowed = self._points.available(self._caps, now_us, bootstrap=bootstrap)
            if allowed == 0:
                raise self._nothing_left(now_us, bootstrap=bootstrap)
            start = max(question.start, now_us // BASE_US * BASE_US - DEPTH_US, question.end - allowed * BASE_US)
        answer = self._request(question, start, page, now_us, bootstrap=bootstrap)
        missing = f"IG gave {answer.one_sided} minutes without both sides" if answer.one_sided else ""
        if page < answer.pages:
            return Page(answer.candles, rest=replace(question, cursor=f"{page + 1}:{start}"), missing=missing)
        is_older_wanted = start > question.start
        rest = replace(question, end=start, cursor="") if is_older_wanted else None
        return Page(answer.candles, rest=rest, missing=missing)

    def close(self) -> None:
        """Nothing: the session is the link's too, which logs out."""

    def _request(self, question: Question, start: int, page: int, now_us: int, *, bootstrap: bool) -> Answer:
        cost = minutes(start, question.end)
        try:
            login, _ = self._rest.login()
            scale = self._scale_of(question.symbol, now_us)
            reply = self._rest.get(
                f"/prices/{question.symbol}",
                3,
                {
                    "resolution": "MINUTE",
                    "from": local_time(start, login.offset_h),
                    "to": local_time(question.end - SECOND, login.offset_h),
                    "pageSize": 0,
                    "pageNumber": page,
                },
            )
            answer, login_then = read(reply, question.price, scale), self._rest.login()[0]
        except IgError as error:
            if error.fate == "absent":
                self._points.answered(cost, None, None, now_us, bootstrap=bootstrap)  # users were charged for such
            elif error.fate == "spent":
                self._points.spent(now_us)
            self._save()
            raise self._error(error, now_us, bootstrap=bootstrap) from None
        except UnavailableError:
            self._points.answered(cost, None, None, now_us, bootstrap=bootstrap)
            self._save()
            raise
        self._points.answered(answer.points, answer.remaining, answer.expiry_s, now_us, bootstrap=bootstrap)
        self._save()
        _log.info("points.spent", points=answer.points, remaining=self._points.remaining, resets=self._points.resets_us)
        if login_then.offset_h != login.offset_h or _is_elsewhere(answer, start, question.end):
            # An hour is asked for by the wall clock of the session, which daylight saving moves; and what is not in the hour that
            # came would be told as traded by nobody.
            self._rest.forget(login)
            raise UnavailableError("the session's local time has changed")
        return answer

    def _error(self, error: IgError, now_us: int, *, bootstrap: bool) -> Exception:
        if error.fate == "spent":
            return self._nothing_left(now_us, bootstrap=bootstrap)
        if error.fate == "busy":
            return BusyError(str(error))
        if error.fate == "refused":
            return RefusedError(f"IG does not let us in: {error}", now_us + KEY_US, EVERYTHING)
        if error.fate == "absent":
            return RefusedError("IG knows no such epic, or gives not that many prices at once")
        return UnavailableError(str(error))

    def _nothing_left(self, now_us: int, *, bootstrap: bool) -> RefusedError:
        retry_at = self._points.retry_at(now_us, bootstrap=bootstrap)
        if self._points.remaining == 0:
            return RefusedError("the account's weekly points are spent", retry_at, EVERYTHING)
        if bootstrap:
            return RefusedError("the week's points for a bootstrap are spent", retry_at)
        return RefusedError("the day's points for gaps are spent", retry_at)

    def _scale_of(self, symbol: str, now_us: int) -> Decimal:
        if self._told is None:
            return self._scales.get(symbol, Decimal(1))
        if symbol not in self._told:  # at first, or an epic that was added since
            asked = (symbol,) if self._told else tuple(dict.fromkeys((*self._epics, symbol)))
            self._told |= ask_scales(self._rest, asked)
        if symbol not in self._told:
            raise RefusedError("/markets has not told by what the epic's prices are to be divided", now_us + KEY_US)
        return self._told[symbol]

    def _save(self) -> None:
        if self._file is None:
            return
        part = self._file.with_name(f"{self._file.name}.part")
        try:
            part.write_text(json.dumps(self._points.as_dict()), encoding="utf-8")
            part.replace(self._file)
        except OSError as error:
            # The reply's own figures are asked for again at the next start; nothing is spent without knowing.
            _log.warning("points.not_kept", reason=error.strerror)


def _place(question: Question) -> tuple[int, int]:
    # The page that the cursor names, and the start of the span that is paged; the first page of all of it without a cursor.
    page, _, start = question.cursor.partition(":")
    return (int(page), int(start)) if start else (1, question.start)


def _is_elsewhere(answer: Answer, start: int, end: int) -> bool:
    return any(not start - SHIFT_US < candle.start < end + SHIFT_US for candle in answer.candles)


def _load(file: Path | None) -> Points:
    if file is None:
        return Points()
    try:
        return restored(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return Points()
