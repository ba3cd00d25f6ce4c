"""PURE. The newest candles and gaps of every series, in memory and under a byte budget: what the HTTP pages answer from.

An entry holds one kind of one series: its candles of a timeframe by start, or its gaps. The highest version of a record
stays, so the order in which records come, and how often, makes no difference: live records and those read back from Kafka
after a restart can be put in at the same time.
"""

from __future__ import annotations

from bisect import insort
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.records import Candle, Gap

MOST = 1000
"""Records an entry holds; the ones that begin first go (issue: the last 1000)."""
GAPS = "gaps"
"""The kind of gaps; those of candles are timeframes' names."""
CELL_BYTES = 400
"""What a record costs besides its bytes: key, version, tuple, slots of dict and list (measured: 370)."""
ENTRY_BYTES = 1500
"""What an entry costs without records: its two containers and names (measured)."""

Key = tuple[int, str]
"""A record's place in its entry: start or from, microseconds, and the gap's id."""


class Place(NamedTuple):
    """Where a record belongs and which of its publications it is."""

    series: str
    kind: str
    key: Key
    version: int


def place_of(record: Candle | Gap) -> Place:
    """Return where a record belongs."""
    if isinstance(record, Candle):
        return Place(record.series, record.timeframe, (record.start, ""), record.version)
    return Place(record.series, GAPS, (record.from_time, record.gap_id), record.version)


class Cell(NamedTuple):
    """One record: as Kafka has it until it is first read, as it was rendered from then on."""

    version: int
    body: bytes
    rendered: bool


@dataclass
class Entry:
    """One kind of one series."""

    partition: int
    truncated: bool
    """True where older records may have been given up to the byte budget."""
    cells: dict[Key, Cell] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    """The keys in order."""
    size: int = ENTRY_BYTES


class Found(NamedTuple):
    """What a reader gets: records in order of time, and whether older ones may have been given up to the budget."""

    records: list[bytes]
    truncated: bool


class Cache:
    """Entries by series and kind. An entry's use is its being made or read: writing alone does not keep it."""

    def __init__(self, budget: int, most: int = MOST) -> None:
        """Make an empty cache.

        Args:
            budget: bytes of memory it may take, by our estimate.
            most: records an entry holds.
        """
        self._budget = budget
        self._most = most
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._kinds: dict[str, int] = {}
        self.size = 0
        """Bytes taken, by our estimate."""
        self.records = 0
        self.evictions = 0
        """Entries given up to the budget so far."""
        self.partial = False
        """Set by whoever filled it without reading everything there was."""

    def put(self, partition: int, place: Place, body: bytes) -> bool:
        """Take in one publication of a record; return whether it is kept.

        Args:
            partition: that of its series.
            place: where it belongs.
            body: its bytes; `newest` renders them.
        """
        name = (place.series, place.kind)
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = Entry(partition, truncated=self.evictions > 0)
            self._kinds[place.series] = self._kinds.get(place.series, 0) + 1
            self.size += entry.size
        old = entry.cells.get(place.key)
        if old is not None:
            if place.version <= old.version:
                return False
            self._grow(entry, -len(old.body))
        else:
            if len(entry.keys) >= self._most:
                if place.key < entry.keys[0]:
                    return False
                self._forget_first(entry)
            insort(entry.keys, place.key)
            self.records += 1
            self._grow(entry, CELL_BYTES)
        entry.cells[place.key] = Cell(place.version, body, rendered=False)
        self._grow(entry, len(body))
        self._keep_budget()
        return True

    def newest(self, series: str, kind: str, limit: int, render: Callable[[bytes], bytes]) -> Found:
        """Return the newest records of an entry, and note its use; none where there is no such entry.

        Args:
            series: the series' name.
            kind: a timeframe's name or `GAPS`.
            limit: how many at most.
            render: makes of a record's bytes what is answered; asked once a record, for the result is kept in its place.
        """
        entry = self._entries.get((series, kind))
        if entry is None:
            return Found([], self.partial or self.evictions > 0)
        self._entries.move_to_end((series, kind))
        found = []
        for key in entry.keys[-limit:]:
            cell = entry.cells[key]
            if not cell.rendered:
                body = render(cell.body)
                self._grow(entry, len(body) - len(cell.body))
                cell = entry.cells[key] = Cell(cell.version, body, rendered=True)
            found.append(cell.body)
        self._keep_budget()
        return Found(found, len(found) < min(limit, self._most) and (self.partial or entry.truncated))

    def __contains__(self, series: str) -> bool:
        return series in self._kinds

    @property
    def series(self) -> list[str]:
        """Every series of which something is held."""
        return list(self._kinds)

    @property
    def full(self) -> bool:
        """True where another entry would cost an old one."""
        return self.size + ENTRY_BYTES + self._most * CELL_BYTES > self._budget

    def keep(self, partitions: Collection[int]) -> None:
        """Forget the series of all other partitions: their owners publish them."""
        for name in [n for n, entry in self._entries.items() if entry.partition not in partitions]:
            self._drop(name)

    def _grow(self, entry: Entry, number: int) -> None:
        entry.size += number
        self.size += number

    def _forget_first(self, entry: Entry) -> None:
        cell = entry.cells.pop(entry.keys.pop(0))
        self.records -= 1
        self._grow(entry, -CELL_BYTES - len(cell.body))

    def _keep_budget(self) -> None:
        while self.size > self._budget and self._entries:
            self._drop(next(iter(self._entries)))
            self.evictions += 1

    def _drop(self, name: tuple[str, str]) -> None:
        entry = self._entries.pop(name)
        self.size -= entry.size
        self.records -= len(entry.keys)
        left = self._kinds[name[0]] - 1
        if left:
            self._kinds[name[0]] = left
        else:
            del self._kinds[name[0]]
