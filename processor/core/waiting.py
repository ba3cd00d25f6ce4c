"""PURE. Records that were read and have no effect yet: history until a status names it, a run until the one before is over."""

from __future__ import annotations

import polars as pl

Part = tuple[str, pl.DataFrame]
"""(kind of data, records of one run)."""


class Waiting:
    """What waits on one partition, by source."""

    def __init__(self) -> None:
        self._history: dict[str, list[pl.DataFrame]] = {}
        self._due: list[pl.DataFrame] = []
        self._runs: dict[str, list[Part]] = {}

    def add_history(self, frame: pl.DataFrame) -> None:
        """Keep records of the history topic, in offset order."""
        for (source,), part in frame.partition_by("source", as_dict=True).items():
            self._history.setdefault(str(source), []).append(part)

    def reach_history(self, source: str, upto: int) -> None:
        """Take in that a status names the source's records below the offset `upto`: they are due."""
        if source not in self._history:
            return
        frame = pl.concat(self._history.pop(source))
        due, later = frame.filter(pl.col("offset") < upto), frame.filter(pl.col("offset") >= upto)
        if due.height:
            self._due.append(due)
        if later.height:
            self._history[source] = [later]

    def next_history(self, rows: int) -> pl.DataFrame | None:
        """Return the next due records of one source, at most `rows`, and keep them no longer; None if none is due."""
        if not self._due:
            return None
        frame = self._due.pop(0)
        if frame.height > rows:
            self._due.insert(0, frame.slice(rows))
        return frame.head(rows)

    @property
    def is_due(self) -> bool:
        """True while records of the history topic are due."""
        return bool(self._due)

    def add_run(self, source: str, part: Part) -> None:
        """Keep records of a run that may not begin yet."""
        self._runs.setdefault(source, []).append(part)

    def has_run(self, source: str, epoch: int) -> bool:
        """Say whether records of this run wait."""
        return any(frame["epoch"][0] == epoch for _, frame in self._runs.get(source, ()))

    def take_runs(self, source: str, epoch: int) -> list[Part]:
        """Return the records of runs up to `epoch`, and keep them no longer."""
        due: list[Part] = []
        still: list[Part] = []
        for kind, frame in self._runs.pop(source, ()):
            (due if frame["epoch"][0] <= epoch else still).append((kind, frame))
        if still:
            self._runs[source] = still
        return due

    def oldest(self, kind: str) -> int | None:
        """Return the smallest offset of a data topic that waits, None if nothing does."""
        frames = [f for parts in self._runs.values() for k, f in parts if k == kind]
        if kind == "history":
            frames = [*self._due, *(f for parts in self._history.values() for f in parts)]
        return min((int(f["offset"].min()) for f in frames), default=None)  # type: ignore[arg-type]  # never empty
