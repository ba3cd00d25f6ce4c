"""PURE. A seeded market of IG's kind: epics with two sides, whose quotes become due as time passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

MAX_AT_ONCE = 200  # quotes of one epic in one step; what a pause of the process piled up beyond is skipped


@dataclass(frozen=True)
class Epic:
    """One market. ``per_second`` is its mean pace; ``scaling`` is what /markets tells; ``has_trades``: LTP and LTV exist."""

    name: str
    kind: str
    per_second: float
    price: float
    digits: int
    spread: float
    scaling: int = 1
    has_trades: bool = False


EPICS: tuple[Epic, ...] = (
    Epic("CS.D.EURUSD.MINI.IP", "CURRENCIES", 4.0, 1.0832, 5, 0.0001),
    Epic("CS.D.GBPUSD.CFD.IP", "CURRENCIES", 2.0, 12654.0, 1, 1.2, scaling=10_000),
    Epic("IX.D.FTSE.DAILY.IP", "INDICES", 3.0, 8260.5, 1, 1.0),
    Epic("UA.D.AAPL.CASH.IP", "SHARES", 5.0, 22_800.0, 1, 4.0, scaling=100, has_trades=True),
    Epic("CS.D.BITCOIN.CFD.IP", "CRYPTOCURRENCIES", 6.0, 64_000.0, 2, 30.0),
    Epic("CC.D.LCO.USS.IP", "COMMODITIES", 1 / 120, 7431.0, 1, 2.8),  # the quiet one
)


@dataclass(frozen=True)
class Move:
    """One change of an epic's quote; ``ltp`` and ``ltv`` are set where it traded."""

    epic: str
    bid: float
    ask: float
    bid_size: float | None
    ask_size: float | None
    ltp: float | None = None
    ltv: float | None = None


class IgMarket:
    """The state of all epics. The same seed gives the same moves in the same order, however often time is looked at."""

    def __init__(self, seed: int, start_s: float, epics: Sequence[Epic] = EPICS) -> None:
        self.epics = {epic.name: epic for epic in epics}
        self._random = {name: Random(f"{seed}:{name}") for name in self.epics}  # noqa: S311 - a market, not a secret
        self._mid = {name: epic.price for name, epic in self.epics.items()}
        self._next = {name: start_s + self._wait(name) for name in self.epics}
        self.last = {name: self._move(name) for name in self.epics}

    def due(self, now_s: float) -> list[Move]:
        """Return the moves that are due at `now_s`, epic by epic."""
        moves: list[Move] = []
        for name in self.epics:
            count = 0
            while self._next[name] <= now_s:
                self._next[name] += self._wait(name)
                count += 1
                if count <= MAX_AT_ONCE:
                    move = self._move(name)
                    self.last[name] = move
                    moves.append(move)
        return moves

    def _wait(self, name: str) -> float:
        return self._random[name].expovariate(self.epics[name].per_second)

    def _move(self, name: str) -> Move:
        epic, random = self.epics[name], self._random[name]
        self._mid[name] *= 1 + random.gauss(0, 0.00005)
        half = epic.spread / 2 * random.choice((1.0, 1.0, 1.0, 1.5, 2.0))
        step = 10**-epic.digits
        bid = max(round(self._mid[name] - half, epic.digits), step)
        ask = max(round(self._mid[name] + half, epic.digits), bid)
        # Currencies come with sizes at times and without at others: seen null, and not documented.
        sized = random.random() < 0.8
        bid_size = random.choice((0.5, 1.0, 5.0, 20.0)) if sized else None
        ask_size = random.choice((0.5, 1.0, 5.0)) if sized else None
        traded = epic.has_trades and random.random() < 0.5
        ltp = random.choice((bid, ask)) if traded else None
        ltv = float(random.choice((1, 5, 10, 100))) if traded else None
        return Move(name, bid, ask, bid_size, ask_size, ltp, ltv)


def text(number: float | None, digits: int) -> str | None:
    """Return a number as the stream writes it; None where there is none."""
    if number is None:
        return None
    shown = f"{number:.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
