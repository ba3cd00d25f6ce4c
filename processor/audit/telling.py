"""PURE. An audit's findings as lines for people, and as one object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from processor.audit.account import Account, Report
from processor.audit.compare import Difference
from schemas.records import Gap

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def line_of(difference: Difference) -> str:
    """Return one difference as one line."""
    d = difference
    name = d.kind if not d.timeframe else f"{d.kind} {d.timeframe}"
    when = f" {_instant(d.start)}" if d.start else ""
    if d.kind == "gap":
        name += f" {d.wanted.cause if isinstance(d.wanted, Gap) else (d.found or {}).get('cause', '')}".rstrip()
    places: dict[str, list[str]] = {}
    for place, what in d.places.items():
        places.setdefault(what, []).append(place)
    return f"{name} {d.series}{when}: " + "; ".join(f"in {' and '.join(where)}: {what}" for what, where in places.items())


def lines_of(report: Report, limit: int) -> Iterator[str]:
    """Yield the report, with at most `limit` differences."""
    yield from (f"note: {note}" for note in report.notes)
    yield from (line_of(d) for d in report.differences[:limit])
    if len(report.differences) > limit:
        yield f"... and {len(report.differences) - limit} more"
    if report.accounts:
        yield ""
        yield from _table(report.accounts)
        yield ""
    for what, number in sorted(report.counts.items()):
        yield f"{what}: {number}"
    yield f"input records read: {report.records}"
    wrong = sum(not a.balances for a in report.accounts)
    verdict = "nothing differs" if report.clean else f"{len(report.differences)} differences"
    yield verdict + (f", {wrong} accounts do not balance" if wrong else "")


def as_object(report: Report, limit: int) -> dict[str, Any]:
    """Return the report as JSON can carry it."""
    return {
        "clean": report.clean,
        "differences": [
            {
                "kind": d.kind,
                "series": d.series,
                "timeframe": d.timeframe,
                "start_us": d.start,
                "partition": d.partition,
                "places": dict(d.places),
            }
            for d in report.differences[:limit]
        ],
        "differences_total": len(report.differences),
        "counts": dict(sorted(report.counts.items())),
        "accounts": [{**asdict(a), "balances": a.balances} for a in report.accounts],
        "records": report.records,
        "generation": report.generation,
        "notes": report.notes,
    }


def _table(accounts: list[Account]) -> Iterator[str]:
    columns = ("read", "in_candles", "open", "not_compared", "late", "dead_letters")
    width = max(len("series"), *(len(a.series) for a in accounts))
    yield f"{'series':{width}}" + "".join(f"{c:>14}" for c in columns)
    for account in accounts:
        numbers = "".join(f"{getattr(account, c):>14}" for c in columns)
        yield f"{account.series:{width}}{numbers}" + ("" if account.balances else "  does not balance")


def _instant(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")
