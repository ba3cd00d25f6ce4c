"""SHELL (connections). One link after the other, never two: begun when it is time, given up when told, its end waited for."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from producer.backoff import Backoff, retry_after_s
from producer.inbox import Inbox, Item
from producer.link import Connect, Link

# Our choices, with the reason beside each.
AFTER_KILL_S = 1.0  # two sockets with one key kill both; the provider needs a moment to see that we hung up
CONNECT_LIMIT_S = 30.0  # a handshake that trickles in is ended; each of its reads has a shorter limit of its own
JOIN_S = 5.0


class Dialer:
    """The connection attempts of one feed. ``attempt`` is the last one's number, `attempts` those since a steady link."""

    def __init__(
        self,
        connect: Connect,
        inbox: Inbox,
        backoff: Backoff,
        chance: Callable[[], float],
        has_new_key: Callable[[], bool] = lambda: False,
    ) -> None:
        self._connect = connect
        self._inbox = inbox
        self._backoff = backoff
        self._chance = chance
        self._has_new_key = has_new_key
        self._next_s = self._begun_s = 0.0
        self._is_refused = False
        self.link: Link | None = None
        self.attempt = 0
        self.is_open = self.is_killed = False

    @property
    def attempts(self) -> int:
        """How many attempts have failed since the feed was steady, with the one under way."""
        return self._backoff.attempts + 1

    def is_due(self) -> bool:
        """Tell whether to begin the next attempt: in its time, or with another key than the one that was refused."""
        return self.link is None and (monotonic() >= self._next_s or (self._is_refused and self._has_new_key()))

    def begin(self) -> None:
        """Begin an attempt."""
        self.attempt += 1
        self._begun_s = monotonic()
        self.is_open = self.is_killed = self._is_refused = False
        self.link = self._connect(self._inbox, self.attempt)
        self.link.start()

    def opened(self) -> None:
        """The attempt has become a connection."""
        self.is_open = True
        if self.is_killed and self.link is not None:
            self.link.kill()  # given up while the name was being looked up, when there was no socket to shut down

    def kill(self) -> None:
        """End the connection; its ``closed`` is still to come."""
        self.is_killed = True
        if self.link is not None:
            self.link.kill()

    def kill_if_stuck(self) -> None:
        """End a handshake that has taken too long."""
        if self.link is not None and not self.is_open and monotonic() - self._begun_s > CONNECT_LIMIT_S:
            self.kill()

    def was_live(self, seconds: float) -> None:
        """Note how long the link that has ended delivered."""
        self._backoff.was_live(seconds)

    def lost(self, item: Item) -> float:
        """Take in a link's last item and return the seconds until the next attempt."""
        link, self.link = self.link, None
        if link is not None:
            link.join(JOIN_S)
        if item.http_status in (401, 403):
            self._is_refused = True
            wait_s = self._backoff.after_refusal()
        elif item.http_status == 429:
            wait_s = self._backoff.after_busy(retry_after_s(item.retry_after, item.receive_us))
        else:
            wait_s = self._backoff.after_failure(self._chance())
        if self.is_killed:
            wait_s = max(wait_s, AFTER_KILL_S)
        self._next_s = item.at_s + wait_s
        return wait_s
