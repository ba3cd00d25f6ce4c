"""SHELL (Kafka, through Faust). Proof that this worker still owns its partitions, taken before anything is written.

A worker that was frozen for longer than the session timeout (a paused machine, a debugger) wakes up believing that it owns what
another has taken over. Kafka accepts its records; only a commit of offsets is checked against the group's generation. So a commit
that succeeds is a lease: the group cannot give the partitions away within the session timeout after it was sent, and whoever
writes within `LEASE_S` of that, with a time limit of `SEND_S` on each message, has written before anybody else does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from faust.types import TP

SESSION_S = 15
"""Kafka gives a dead worker's partitions away after this long."""
LEASE_S = 3.0
SEND_S = 10.0
"""Limit of one message's delivery; LEASE_S + SEND_S stays below SESSION_S."""
ANSWER_S = 5.0


class LostError(Exception):
    """The partitions belong to another worker; what was not written will be written by that one."""


class Ownership:
    """The lease on the assigned partitions, and the offsets committed for them."""

    def __init__(self, commit: Callable[[Mapping[TP, int]], Awaitable[bool]]) -> None:
        """Start without partitions.

        Args:
            commit: commits offsets; False where the group has another generation by now.
        """
        self._commit = commit
        self._confirmed = 0.0
        self._asking = asyncio.Lock()
        self.committed: dict[TP, int] = {}

    def begin(self, positions: Mapping[TP, int]) -> None:
        """Own partitions that are read from these offsets; the first write will ask Kafka first."""
        self.committed = dict(positions)
        self._confirmed = 0.0

    def fresh(self) -> bool:
        """Tell whether the lease still holds: cheap, asked before every message."""
        return time.monotonic() - self._confirmed < LEASE_S

    def ageing(self) -> bool:
        """Tell whether it is time to renew the lease, so that whoever writes finds it valid and does not wait."""
        return time.monotonic() - self._confirmed > LEASE_S / 2

    async def confirm(self, offsets: Mapping[TP, int] | None = None) -> None:
        """Take a new lease by committing `offsets`, or again what was committed before.

        Raises:
            LostError: the group has given the partitions away.
            TimeoutError: Kafka did not answer; nobody knows.
        """
        async with self._asking:  # one after the other: an older commit must not come after a newer one
            wanted = self.committed | dict(offsets or {})
            began = time.monotonic()
            if not wanted or not await asyncio.wait_for(self._commit(wanted), ANSWER_S):
                raise LostError("the group has another generation")
            self.committed = wanted
            self._confirmed = began
