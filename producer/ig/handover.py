"""SHELL (threads). From the client library's threads to ours: never waits, never grows without end, tells what it gave up.

The library queues without limit for a listener that waits, so it must not wait; what is full here is counted by epic and told
as an overflow when there is room again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import NamedTuple

MAX_UPDATES = 20_000  # our choice: minutes of 40 busy epics, beside what waits in the inbox


class Update(NamedTuple):
    """One update of an item; texts as they came. ``at_us`` is when it was queued, microseconds UTC: stamped by the queue."""

    kind: str
    epic: str
    fields: dict[str, str | None]
    changed: list[str]
    is_snapshot: bool
    at_us: int = 0


class Overflow(NamedTuple):
    """Updates of an epic that were given up; microseconds UTC."""

    epic: str
    lost: int
    from_us: int
    to_us: int


class Note(NamedTuple):
    """Anything else: a state, an answer, a wish of ours. Never given up. ``at_us`` as in `Update`."""

    what: str
    of: str = ""
    epic: str = ""
    number: int = 0
    text: str = ""
    payload: bytes = b""
    at_us: int = 0


class Handover:
    """A bounded queue of updates and notes, in the order in which they came, each with its time: it may wait for long."""

    def __init__(self, now_us: Callable[[], int], max_updates: int = MAX_UPDATES) -> None:
        self._now_us = now_us
        self._max = max_updates
        self._events: deque[Update | Overflow | Note] = deque()
        self._updates = 0
        self._given_up: dict[str, tuple[int, int]] = {}  # epic -> how many, since when
        self._changed = Condition()

    def update(self, update: Update) -> None:
        """Queue an update, or count it as given up; returns at once."""
        with self._changed:
            if self._updates >= self._max:
                count, since = self._given_up.get(update.epic, (0, self._now_us()))
                self._given_up[update.epic] = (count + 1, since)
                return
            self._tell_given_up()
            self._events.append(update._replace(at_us=self._now_us()))
            self._updates += 1
            self._changed.notify()

    def note(self, note: Note) -> None:
        """Queue a note; returns at once."""
        with self._changed:
            self._events.append(note._replace(at_us=self._now_us()))
            self._changed.notify()

    def get(self, timeout_s: float) -> Update | Overflow | Note | None:
        """Return the oldest, or None if none comes in time."""
        with self._changed:
            if not self._events:
                self._tell_given_up()
            if not self._events:
                self._changed.wait(timeout_s)
            if not self._events:
                return None
            event = self._events.popleft()
            if isinstance(event, Update):
                self._updates -= 1
            return event

    def _tell_given_up(self) -> None:
        if not self._given_up:
            return
        now_us = self._now_us()
        self._events.extend(Overflow(epic, count, since, now_us) for epic, (count, since) in self._given_up.items())
        self._given_up.clear()
