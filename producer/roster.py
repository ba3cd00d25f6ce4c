"""SHELL (file). Follows the file of symbols while the feed runs: what is new is wanted, what is gone is no longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import structlog

from producer.sources.protocol import ChangingSource, Source
from producer.status import Feed
from producer.symbols import parse_symbols

_log = structlog.get_logger()
LOOK_EVERY_S = 1.0
_Stat = tuple[int, int, int]


class Roster:
    """The symbols of one run. A list that cannot be served changes nothing: the old one stays, and the log says why.

    A file is taken once it has been the same for two looks, so that one that is being written is not taken by half.
    """

    def __init__(self, source: Source, feed: Feed, path: Path, most: int, on_change: Callable[[tuple[str, ...]], None]) -> None:
        """Follow `path`; its present content is what the source wants already.

        Args:
            source: whose symbols they are.
            feed: that tells them.
            path: the file.
            most: how many the provider delivers.
            on_change: told the new list.
        """
        self._source = source
        self._feed = feed
        self._path = path
        self._most = most
        self._on_change = on_change
        self._taken: _Stat | None = None
        self._seen: _Stat | None = None
        self._looked_s = float("-inf")

    def follow(self, now_us: int) -> bool:
        """Look at the file if it is time; return whether other symbols are wanted now."""
        now_s = monotonic()
        if now_s - self._looked_s < LOOK_EVERY_S:
            return False
        self._looked_s = now_s
        seen, before = self._stat(), self._seen
        self._seen = seen
        if seen == self._taken or seen != before:
            return False
        self._taken = seen
        return self._take(now_us)

    def _stat(self) -> _Stat | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _take(self, now_us: int) -> bool:
        source = self._source
        try:
            symbols = parse_symbols(self._path.read_text(encoding="utf-8"), self._most)
        except OSError as error:
            return self._refuse(f"the file cannot be read: {error.strerror}")
        except ValueError as error:
            return self._refuse(f"the file {error}")
        if symbols == source.symbols:
            return False
        if not isinstance(source, ChangingSource):
            return self._refuse("this provider takes other symbols at its start only")
        added = tuple(s for s in symbols if s not in source.symbols)
        removed = tuple(s for s in source.symbols if s not in symbols)
        source.want(symbols)
        self._feed.symbols_changed(added, removed)
        self._on_change(symbols)
        _log.info("symbols.changed", source=source.name, added=added, removed=removed, wanted=len(symbols), at_us=now_us)
        return bool(added or removed)

    def _refuse(self, why: str) -> bool:
        _log.error("symbols.refused", source=self._source.name, reason=why, kept=len(self._source.symbols))
        return False
