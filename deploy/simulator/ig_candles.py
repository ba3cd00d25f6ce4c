"""PURE. The fake IG's minutes of bid and ask: of what its market quoted, and before that made up from the seed."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

from deploy.simulator.ig_market import Epic, Move

Side = list[float]  # open, high, low, close
MINUTE_S = 60


class IgCandles:
    """1m candles by epic and minute (seconds UTC). The vendor saw every quote, those that a client lost included."""

    def __init__(self, seed: int, start_s: float) -> None:
        self._seed = seed
        self._start = int(start_s) // MINUTE_S * MINUTE_S
        self._minutes: dict[str, dict[int, tuple[Side, Side, int]]] = {}

    def add(self, move: Move, t_ms: int) -> None:
        """Take one quote into its minute."""
        minutes = self._minutes.setdefault(move.epic, {})
        minute = t_ms // 60_000 * MINUTE_S
        bid, ask, count = minutes.get(minute, ([move.bid] * 4, [move.ask] * 4, 0))
        for side, price in ((bid, move.bid), (ask, move.ask)):
            side[1], side[2], side[3] = max(side[1], price), min(side[2], price), price
        minutes[minute] = (bid, ask, count + 1)

    def between(self, epic: Epic, first_s: int, last_s: int) -> list[dict[str, Any]]:
        """Return IG's prices of the minutes that start in [first_s, last_s], oldest first; minutes without a quote are absent."""
        first_s = -(-first_s // MINUTE_S) * MINUTE_S
        return [price for minute in range(first_s, last_s + 1, MINUTE_S) if (price := self._price(epic, minute)) is not None]

    def newest(self, epic: Epic, count: int, now_s: float) -> list[dict[str, Any]]:
        """Return the newest `count` minutes before `now_s`, oldest first, looking back a day at most."""
        found: list[dict[str, Any]] = []
        minute = int(now_s) // MINUTE_S * MINUTE_S
        while len(found) < count and minute > now_s - 86_400:
            if (price := self._price(epic, minute)) is not None:
                found.append(price)
            minute -= MINUTE_S
        return found[::-1]

    def _price(self, epic: Epic, minute: int) -> dict[str, Any] | None:
        made = self._minutes.get(epic.name, {}).get(minute) if minute >= self._start else self._invented(epic, minute)
        if made is None:
            return None
        bid, ask, count = made
        at = datetime.fromtimestamp(minute, UTC)
        names = ("openPrice", "highPrice", "lowPrice", "closePrice")
        return {
            "snapshotTime": f"{at:%Y/%m/%d %H:%M:%S}",
            "snapshotTimeUTC": f"{at:%Y-%m-%dT%H:%M:%S}",
            **{name: {"bid": bid[i], "ask": ask[i], "lastTraded": None} for i, name in enumerate(names)},
            "lastTradedVolume": count,
        }

    def _invented(self, epic: Epic, minute: int) -> tuple[Side, Side, int] | None:
        random = Random(f"{self._seed}:{epic.name}:{minute}")  # noqa: S311 - a market, not a secret
        if random.random() > min(1.0, epic.per_second * 60):
            return None
        mids = [epic.price * (1 + random.gauss(0, 0.001)) for _ in range(4)]
        mids = [mids[0], max(mids), min(mids), mids[3]]
        bid = [round(mid - epic.spread / 2, epic.digits) for mid in mids]
        ask = [round(mid + epic.spread / 2, epic.digits) for mid in mids]
        return bid, ask, random.randrange(1, 200)
