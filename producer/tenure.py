"""PURE. Whether this process may still write for its source: what Kafka's answers about a lease prove, and for how long.

The lease is the membership in a consumer group that owns the one partition of a topic without records. A process that was
frozen for longer than the session timeout wakes up believing that it still owns what another has taken over. Only a commit of
offsets is checked against the group's generation, so a commit that succeeds proves that nobody else can have had the lease
before it was sent, nor will have it within the session timeout after that.

What was received while the lease held may be written later: it is true, and nobody else has received it. So the lease is looked
at when a frame is taken, and a slow or silent broker costs no record: frames wait until a proof comes.
"""

from __future__ import annotations

from dataclasses import dataclass

# Our choices. 6 s is the shortest session that brokers allow by default; a third of it is left for the moment between the
# look at the lease and the taking of a frame, and a proof a second keeps a busy machine from waiting for one.
SESSION_S = 6.0
LEASE_S = 4.0
PROVE_EVERY_S = 1.0


@dataclass
class Tenure:
    """The lease of one process; times are seconds of a clock that never jumps.

    ``term`` counts how often the lease was gained: after a term that ended another process may have written, even if this one
    has the lease again.
    """

    term: int = 0
    held: bool = False
    _asked_s: float = float("-inf")
    _proved_s: float = float("-inf")

    def gained(self) -> None:
        """Kafka has given the partition to this process."""
        self.term += 1
        self.held = True
        self._asked_s = self._proved_s = float("-inf")

    def lost(self) -> None:
        """The partition is gone, or may be: Kafka's client has given up on it."""
        self.held = False

    def is_due(self, now_s: float) -> bool:
        """Tell whether to ask for a proof, and note that it is asked."""
        if not self.held or now_s - self._asked_s < PROVE_EVERY_S:
            return False
        self._asked_s = now_s
        return True

    def proved(self, term: int, asked_s: float) -> None:
        """A commit has succeeded that was sent in `term` at `asked_s`."""
        if self.held and term == self.term:
            self._proved_s = max(self._proved_s, asked_s)

    def fresh(self, now_s: float) -> bool:
        """Tell whether nobody else can have the lease now."""
        return self.held and now_s - self._proved_s < LEASE_S
