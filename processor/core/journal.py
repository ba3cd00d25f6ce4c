"""PURE. Gaps told since the last state, as records of their own: a worker that dies in between must not forget what it has said.

After a crash the topics may be read in another order: a late trade that is read before the status it missed leaves nothing to be
told of its minute, and a gap that was told there would stay out for ever. So each identity is written before the gap is sent,
one key each (``t|<series>|<run>|<cause>|<start>``), and deleted once the series' own state holds it or its end. What is
remembered so counts as told again as soon as as much is known as when it was told; before that, taking it back could be wrong,
and what was once taken back cannot be told again. And it is told once more where it still holds, for the crash may have come
between the journal and the gap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from processor.core.gaps import Published
from processor.core.series import Series
from processor.core.shapes import TOLD, read, write

PREFIX = b"t|"
_PUBLISHED = ("start", "cause", "end", "missing", "state", "why_not", "derived")


@dataclass
class Remembered:
    """What was told of one series and is in no state, and how much was known then at most."""

    taken: int = -1
    status: int = -1
    watermark: int = -(1 << 62)
    told: list[Published] = field(default_factory=list)

    def add(self, values: Mapping[str, Any]) -> None:
        """Take in one record's values."""
        self.taken = max(self.taken, values["taken"])
        self.status = max(self.status, values["status"])
        self.watermark = max(self.watermark, values["watermark"])
        self.told.append(Published(**{name: values[name] for name in _PUBLISHED}))

    def is_known_to(self, series: Series) -> bool:
        """Tell whether a series knows as much again as when all this was told."""
        return series.taken >= self.taken and series.feed.offset >= self.status and series.watermark >= self.watermark


def journal_key(series: Series, gap: Published) -> bytes:
    """Return the key of one identity."""
    return b"%s%s|%d|%s|%d" % (PREFIX, series.name.encode(), series.run, gap.cause.encode(), gap.start)


def dump_journal(series: Series) -> list[tuple[bytes, bytes | None]]:
    """Return the records of what was told since the last call: to be written before the gaps themselves."""
    known = {"partition": series.partition, "series": series.name, "run": series.run}
    known |= {"taken": series.taken, "status": series.feed.offset, "watermark": series.watermark}
    new, series.book.new = series.book.new, []
    series.book.journaled += new
    return [(journal_key(series, gap), write(TOLD, {**known, **vars(gap)})) for gap in new]


def load_journal(number: int, state: Mapping[bytes, bytes]) -> dict[tuple[str, int], Remembered]:
    """Return what is remembered, by series and run; records of other partitions are ignored.

    Raises:
        SnapshotError: a record is of another version or cannot be read.
    """
    found: dict[tuple[str, int], Remembered] = {}
    for key, data in state.items():
        if key.startswith(PREFIX):
            values = read(TOLD, data)
            if values["partition"] == number:
                found.setdefault((values["series"], values["run"]), Remembered()).add(values)
    return found
