"""SHELL (exchange_calendars, clock). The calendars of exchanges, read once at start into plain intervals.

The library is an optional extra and brings pandas; nothing of it is left after start.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from processor.core.calendar import CALENDARS, Hours
from processor.core.listed import Interval, Listed, between

SINCE = date(2000, 1, 1)
"""Our choice. A fixed day, so that every reading says the same of the past."""
YEARS_AHEAD = 5
"""Our choice: how far holidays are reckoned, where the library knows them; a process is started again before they end."""


def calendar(name: str) -> Hours:
    """Return the calendar that settings call `name`: one of ours, or that of an exchange (``xnys``, ``cmes``, ``xhkg``).

    Raises:
        ValueError: there is none of that name, or the extra that knows exchanges is not installed.
    """
    if name in CALENDARS:
        return CALENDARS[name]
    ours = ", ".join(sorted(CALENDARS))
    try:
        import exchange_calendars  # type: ignore[import-untyped]  # published without
    except ImportError:
        raise ValueError(
            f"{name!r} is no calendar of ours ({ours}); those of exchanges need: pip install 'candlewick[calendars]'"
        ) from None
    known = {n.lower(): n for n in exchange_calendars.get_calendar_names()}
    if name.lower() not in known:
        raise ValueError(
            f"{name!r} is no calendar: choose {ours}, or an exchange that exchange_calendars knows: xnys, xlon, xhkg, cmes, ..."
        )
    today = datetime.now(UTC).date()  # noqa: TID251  # a shell: how far ahead to read
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a matter between that library and pandas
        return Listed(name, between(_hours(exchange_calendars.get_calendar, known[name.lower()], today)))


def _hours(get: Callable[..., Any], name: str, today: date) -> list[Interval]:
    import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own, and this is two calls

    # A few days first: they say cheaply how far the library knows this exchange.
    kind = type(get(name, start=pd.Timestamp(today - timedelta(days=30)), end=pd.Timestamp(today - timedelta(days=1))))
    first, last = kind.bound_min(), kind.bound_max()
    start, end = pd.Timestamp(SINCE), pd.Timestamp(today.replace(year=today.year + YEARS_AHEAD, day=1))
    schedule = kind(start=max(start, first or start), end=min(end, last or end)).schedule
    hours = []
    for opens, breaks, goes_on, closes in zip(
        *(_micros(schedule[c]) for c in ("open", "break_start", "break_end", "close")), strict=True
    ):
        if breaks is None or goes_on is None:
            hours.append((opens, closes))
        else:
            hours += [(opens, breaks), (goes_on, closes)]
    return hours


def _micros(column: Any) -> list[int | None]:
    whole = column.dt.as_unit("us")
    return [None if missing else int(at) for at, missing in zip(whole.astype("int64"), whole.isna(), strict=True)]
