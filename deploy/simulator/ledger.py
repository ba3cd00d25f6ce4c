"""PURE. Everything the simulator generated, and what became of it: the other side of every account."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

MAX_ENTRIES = 500_000  # some hours of the busiest market; older ones stay in the sums


@dataclass
class Entry:
    """One print. ``sent_us`` is 0 and ``lost`` says why when it never went out; ``times`` counts how often it went."""

    symbol: str
    t: int  # milliseconds UTC, as told to the client
    p: float
    v: float
    made_us: int  # when it happened, microseconds UTC
    sent_us: int = 0
    times: int = 0
    lost: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


class Ledger:
    """Entries in the order they were made, and sums over all of them."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.entries: deque[Entry] = deque(maxlen=max_entries)
        self.faults: list[dict[str, Any]] = []
        self._sums: Counter[str] = Counter()

    def made(self, entry: Entry) -> None:
        """Note a print."""
        self.entries.append(entry)
        self._sums["trades_generated" if entry.v else "updates_generated"] += 1

    def sent(self, entry: Entry, now_us: int) -> None:
        """Note that it was written to an open connection; again for every repeat."""
        kind = "trades" if entry.v else "updates"
        entry.times += 1
        if entry.times == 1:
            entry.sent_us, entry.lost = now_us, ""
            self._sums[f"{kind}_sent"] += 1
        else:
            self._sums["repeats_sent" if entry.v else "update_repeats_sent"] += 1

    def never_sent(self, entry: Entry, why: str) -> None:
        """Note that no connection could take it."""
        entry.lost = why
        self._sums["trades_lost" if entry.v else "updates_lost"] += 1
        self._sums[f"lost_{why}"] += 1

    def fault(self, fault: dict[str, Any], now_us: int) -> None:
        """Note an injected fault."""
        self.faults.append({**fault, "at_us": now_us})
        if fault["kind"] in ("drop", "silent"):
            self._sums["outages_injected"] += 1

    def count(self, what: str, number: int = 1) -> None:
        """Add to a sum."""
        self._sums[what] += number

    def summary(self) -> dict[str, Any]:
        """Return the sums; those that tests and the demo ask for are there from the start."""
        names = ("generated", "sent", "lost")
        zero = dict.fromkeys([f"{k}_{n}" for n in names for k in ("trades", "updates")], 0)
        zero |= dict.fromkeys(("repeats_sent", "update_repeats_sent", "outages_injected", "malformed_sent", "bad_sent"), 0)
        return {**zero, **self._sums, "faults": self.faults}
