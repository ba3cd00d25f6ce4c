"""PURE. Feed status coalesced: it comes every second on every partition, and one write per source, change or second is enough."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.records import FeedStatus
from schemas.timeframes import SECOND
from sink.directory import GROUP
from sink.overrides import Retention
from sink.tables import Row

_LAST_WORDS = ("stopping", "finished")


@dataclass(frozen=True)
class _Seen:
    key: tuple[int, int, bool]
    content: tuple[str, str, int, int]
    written_us: int
    stamp: int


class StatusBoard:
    """The newest status of each source that this process has written."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def forget(self) -> None:
        """Write everything again when it comes by: the store may have lost what it had acknowledged."""
        self._seen.clear()

    def rows(self, status: FeedStatus, sent_us: int, retention: Retention, origin: object = None) -> list[Row]:
        """Return the rows to write for one status record, none when it says nothing new.

        Args:
            status: read from any partition; the copies of one status may arrive in any order among others.
            sent_us: the Kafka record's timestamp. A replay's own clock is its recording's and begins anew in every run, so
                only this orders two runs of it.
            retention: of the log, which is kept as gaps are.
            origin: the message.
        """
        # A replay may say its last word at the same moment of its clock as the word before.
        key = (status.epoch, status.sent_at, status.state in _LAST_WORDS)
        content = (status.state, status.reason, status.epoch, status.since)
        seen = self._seen.get(status.source)
        if seen is not None:
            if key < seen.key or (key == seen.key and content == seen.content):
                return []
            if content == seen.content and sent_us < seen.written_us + SECOND:
                return []
        stamp = sent_us if seen is None else max(sent_us, seen.stamp + 1)
        self._seen[status.source] = _Seen(key, content, sent_us, stamp)
        since_ms, updated_ms = status.since // 1000, status.sent_at // 1000
        now = (GROUP, status.source, status.state, status.reason, status.epoch, since_ms, updated_ms)
        log = (status.source, since_ms, status.state, status.reason, status.epoch, updated_ms)
        expires_us = retention.expires_us("gaps", status.since)
        return [
            Row("feed_status", GROUP, status.source, stamp, None, now, origin),
            Row("feed_status_log", status.source, since_ms, stamp, expires_us, log, origin),
        ]
