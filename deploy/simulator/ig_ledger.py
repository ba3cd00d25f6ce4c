"""PURE. Every quote and trade that the fake IG made for somebody who asked, and what became of it."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

MAX_ENTRIES = 500_000
Kind = Literal["price", "tick"]


@dataclass
class Entry:
    """One update of one item. ``sent_us`` is 0 and ``lost`` says why when it never went out."""

    epic: str
    kind: Kind
    t: int  # milliseconds UTC, as told to the client
    bid: float
    ask: float
    bid_size: float | None
    ask_size: float | None
    ltp: float | None
    ltv: float | None
    made_us: int
    sent_us: int = 0
    lost: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


class IgLedger:
    """Entries in the order they were made, sums over all of them, and the requests that came, without their secrets."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.entries: deque[Entry] = deque(maxlen=max_entries)
        self.requests: deque[dict[str, Any]] = deque(maxlen=10_000)
        self._sums: Counter[str] = Counter()

    def made(self, entry: Entry) -> None:
        """Note an update."""
        self.entries.append(entry)
        self._sums[f"{entry.kind}s_made"] += 1

    def sent(self, entry: Entry, now_us: int) -> None:
        """Note that it was written to a stream; a second time, after a recovery or to begin a subscription, counts nothing."""
        if not entry.sent_us:
            if entry.lost:  # and yet it came: as the present value with which a subscription begins
                self._sums[f"{entry.kind}s_lost"] -= 1
            entry.sent_us, entry.lost = now_us, ""
            self._sums[f"{entry.kind}s_sent"] += 1

    def never_sent(self, entry: Entry, why: str) -> None:
        """Note that nobody can get it any more."""
        if not entry.sent_us and not entry.lost:
            entry.lost = why
            self._sums[f"{entry.kind}s_lost"] += 1

    def count(self, what: str, number: int = 1) -> None:
        """Add to a sum."""
        self._sums[what] += number

    def request(self, what: str, **facts: Any) -> None:
        """Note a request of a client, by name and harmless parameters."""
        self.requests.append({"what": what, **facts})
        self._sums[f"request_{what}"] += 1

    def summary(self) -> dict[str, int]:
        """Return the sums; those that tests ask for are there from the start."""
        zero = {f"{kind}_{what}": 0 for kind in ("prices", "ticks") for what in ("made", "sent", "lost")}
        return {**zero, **self._sums}
