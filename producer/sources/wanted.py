"""PURE. The wanted symbols of one source as they change, and what of them is still to be said to the provider."""

from __future__ import annotations

from collections import deque
from typing import Literal

Verb = Literal["subscribe", "unsubscribe"]


class Wanted:
    """The wanted set is state, the connection is not: each new connection is told all of it again.

    ``symbols`` are the wanted ones, in order; ``sent`` those subscribed on this connection, in the order of their sending.
    """

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        self.sent: list[str] = []
        self._unsent: deque[tuple[Verb, str]] = deque()
        self._left: set[str] = set()
        self._set = frozenset(symbols)

    def __contains__(self, symbol: str) -> bool:
        """Tell whether a symbol is wanted now."""
        return symbol in self._set

    def connected(self) -> None:
        """Begin a connection, on which nothing is subscribed."""
        self.sent.clear()
        self._left.clear()
        self._unsent = deque(("subscribe", s) for s in self.symbols)

    def want(self, symbols: tuple[str, ...]) -> None:
        """Want these from now on: what is new will be subscribed, what is no longer named unsubscribed."""
        self._left = (self._left | self._set).difference(symbols)
        self.symbols, self._set = symbols, frozenset(symbols)
        gone = [s for s in self.sent if s not in self._set]
        new = [s for s in symbols if s not in self.sent]
        self._unsent = deque([*(("unsubscribe", s) for s in gone), *(("subscribe", s) for s in new)])

    def has_left(self, symbol: str) -> bool:
        """Tell whether a symbol was wanted on this connection: its last records may still come."""
        return symbol in self._left

    def take(self, limit: int) -> list[tuple[Verb, str]]:
        """Return what is to be said next, at most `limit`; it counts as said."""
        batch = [self._unsent.popleft() for _ in range(min(limit, len(self._unsent)))]
        for verb, symbol in batch:
            if verb == "subscribe":
                self.sent.append(symbol)
            else:
                self.sent.remove(symbol)
        return batch
