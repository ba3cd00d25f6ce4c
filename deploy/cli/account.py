"""PURE. The demo's account: what became of every trade that the venue generated, and whether that adds up.

``trades_sent``          trades the venue generated for a subscribed symbol from its first delivery on, whether or not the
                         line was up, until the last delivery of all (price updates, which have no size, are no trades)
``trades_in_candles``    sum of trade_count over the 1m rows in Cassandra, open candles included
``late``                 trades on late-trades
``dead_letters``         messages on dead-letters
``repeats_dropped``      trades missing in Kafka outside of gaps, as far as the producer's counter of dropped repeats
                         explains them
``lost_in_gaps``         trades that never reached Kafka and happened inside a recorded feed_* gap of their own series
``gaps_injected``        outages the demo made
``gaps_recorded``        outages in Cassandra: gaps of a cause feed_*, one for all series of a source with the same beginning
``candles_in_cassandra`` candle rows of all timeframes
``first_candle_s``       from the command to the first candle readable in Cassandra
``latency_*_ms``         from the venue's sending a trade to the moment its live 1m candle was readable in Cassandra:
                         every trade of the busiest symbol sent after the first candle was readable
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from schemas.records import series_of

OUTAGES = ("feed_down", "feed_stale")


class Identity(NamedTuple):
    """What a trade is known by where the venue gives no ids; twins are told apart by counting them."""

    symbol: str
    event_us: int
    price: float
    size: float


class Generated(NamedTuple):
    """One trade of the venue's ledger. ``sent_us`` is None where no line was up to carry it."""

    trade: Identity
    sent_us: int | None


class Outage(NamedTuple):
    """A recorded gap that means loss; ``to_us`` None while it lasts."""

    series: str
    cause: str
    from_us: int
    to_us: int | None


@dataclass(frozen=True)
class Account:
    """The account, in the order in which it is printed; see the module."""

    trades_sent: int
    trades_in_candles: int
    late: int
    dead_letters: int
    repeats_dropped: int
    lost_in_gaps: int
    gaps_injected: int
    gaps_recorded: int
    candles_in_cassandra: int
    first_candle_s: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None

    @property
    def balances(self) -> bool:
        """Tell whether every trade is accounted for, and every outage."""
        found = self.trades_in_candles + self.late + self.dead_letters + self.repeats_dropped + self.lost_in_gaps
        return self.trades_sent == found and self.gaps_injected == self.gaps_recorded

    def line(self) -> str:
        """Return the account as one line of JSON."""
        return json.dumps(asdict(self))


def counted(ledger: Iterable[Generated]) -> list[Generated]:
    """Return the ledger's trades that count: those with a size, of each symbol from its first delivery on."""
    begun: set[str] = set()
    kept = []
    for entry in ledger:
        if entry.sent_us is not None:
            begun.add(entry.trade.symbol)
        if entry.trade.symbol in begun and entry.trade.size > 0:
            kept.append(entry)
    return kept


def missing(sent: Iterable[Generated], arrived: Counter[Identity]) -> list[Identity]:
    """Return the trades that never reached Kafka, in order; of n twins that are m times there, n - m are missing."""
    there = arrived.copy()
    lost = []
    for entry in sent:
        if there[entry.trade] > 0:
            there[entry.trade] -= 1
        else:
            lost.append(entry.trade)
    return lost


def in_gaps(lost: Iterable[Identity], outages: Sequence[Outage], source: str) -> int:
    """Return how many of the lost trades happened inside a recorded outage of their own series."""
    return sum(
        any(
            gap.series == series_of(source, trade.symbol, "trade")
            and gap.from_us <= trade.event_us
            and (gap.to_us is None or trade.event_us < gap.to_us)
            for gap in outages
        )
        for trade in lost
    )


def distinct(outages: Iterable[Outage]) -> int:
    """Return the number of outages: one of a source opens a gap with the same beginning in each of its series."""
    return len({(gap.series.partition(":")[0], gap.from_us) for gap in outages})
