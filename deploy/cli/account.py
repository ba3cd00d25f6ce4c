"""PURE. The demo's account: what became of every trade that the venues generated, and whether that adds up.

``trades_sent``          trades the venues generated for a subscribed symbol from its first delivery on, whether or not the
                         line was up, until the last delivery of all (price updates, which have no size, are no trades)
``trades_in_candles``    sum of trade_count over the 1m rows in Cassandra, open candles included
``late``                 trades on late-trades
``dead_letters``         messages on dead-letters
``repeats_dropped``      trades missing in Kafka outside of gaps, as far as the producers' counters of dropped repeats
                         explain them
``lost_in_gaps``         trades that never reached Kafka and happened inside a recorded feed_* gap of their own series,
                         whether or not the vendor's candles have filled it
``gaps_injected``        outages the demo made
``gaps_recorded``        outages in Cassandra: gaps of a cause feed_*, one for all series of a source with the same beginning
``candles_in_cassandra`` candle rows of all timeframes, the vendor's included
``first_candle_s``       from the command to the first candle of live trades readable in Cassandra
``latency_*_ms``         from the venue's sending a trade to the moment its live 1m candle was readable in Cassandra:
                         every trade of the first feed's busiest symbol sent after the first candle was readable
``sources``              the same by source, with ``kind`` and ``gaps_filled``: outages whose gaps are all filled

A source whose kind is quotes counts quotes in the place of trades, and update_count of its mid series.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from schemas.records import Price, series_of

OUTAGES = ("feed_down", "feed_stale")


class Identity(NamedTuple):
    """What a record is known by where the venue gives no ids; twins are told apart by counting them.

    ``values`` are price and size of a trade; bid, ask and their sizes of a quote.
    """

    symbol: str
    event_us: int
    values: tuple[float, ...]


class Generated(NamedTuple):
    """One trade or quote of a venue's ledger. ``sent_us`` is None where no line was up to carry it."""

    record: Identity
    sent_us: int | None


class Outage(NamedTuple):
    """A recorded gap that means loss; ``to_us`` None while it lasts."""

    series: str
    cause: str
    from_us: int
    to_us: int | None
    state: str = "closed"


@dataclass(frozen=True)
class Balance:
    """One source's part of the account; see the module."""

    kind: Literal["trades", "quotes"]
    sent: int
    in_candles: int
    late: int
    dead_letters: int
    repeats_dropped: int
    lost_in_gaps: int
    gaps_injected: int
    gaps_recorded: int
    gaps_filled: int

    @property
    def balances(self) -> bool:
        """Tell whether every record is accounted for, and every outage."""
        found = self.in_candles + self.late + self.dead_letters + self.repeats_dropped + self.lost_in_gaps
        return self.sent == found and self.gaps_injected == self.gaps_recorded


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
    sources: Mapping[str, Balance]

    @property
    def balances(self) -> bool:
        """Tell whether every record of every source is accounted for, and every outage."""
        return all(balance.balances for balance in self.sources.values())

    def line(self) -> str:
        """Return the account as one line of JSON."""
        return json.dumps(asdict(self))


def total(
    sources: Mapping[str, Balance],
    *,
    candles: int,
    first_candle_s: float | None,
    latency_p50_ms: float | None,
    latency_p99_ms: float | None,
) -> Account:
    """Return the account of several sources."""
    of = list(sources.values())
    return Account(
        trades_sent=sum(b.sent for b in of),
        trades_in_candles=sum(b.in_candles for b in of),
        late=sum(b.late for b in of),
        dead_letters=sum(b.dead_letters for b in of),
        repeats_dropped=sum(b.repeats_dropped for b in of),
        lost_in_gaps=sum(b.lost_in_gaps for b in of),
        gaps_injected=sum(b.gaps_injected for b in of),
        gaps_recorded=sum(b.gaps_recorded for b in of),
        candles_in_cassandra=candles,
        first_candle_s=first_candle_s,
        latency_p50_ms=latency_p50_ms,
        latency_p99_ms=latency_p99_ms,
        sources=sources,
    )


def counted(ledger: Iterable[Generated], arrived: Collection[Identity]) -> list[Generated]:
    """Return the ledger's records that count: those of each symbol from its first delivery on.

    A trade that was fetched from the venue's pages, from before the line was up, was delivered as well.
    """
    begun: set[str] = set()
    kept = []
    for entry in ledger:
        if entry.sent_us is not None or entry.record in arrived:
            begun.add(entry.record.symbol)
        if entry.record.symbol in begun:
            kept.append(entry)
    return kept


def missing(sent: Iterable[Generated], arrived: Counter[Identity]) -> list[Identity]:
    """Return the records that never reached Kafka, in order; of n twins that are m times there, n - m are missing."""
    there = arrived.copy()
    lost = []
    for entry in sent:
        if there[entry.record] > 0:
            there[entry.record] -= 1
        else:
            lost.append(entry.record)
    return lost


def in_gaps(lost: Iterable[Identity], outages: Sequence[Outage], source: str, price: Price = "trade") -> int:
    """Return how many of the lost records happened inside a recorded outage of their own series."""
    return sum(
        any(
            gap.series == series_of(source, record.symbol, price)
            and gap.from_us <= record.event_us
            and (gap.to_us is None or record.event_us < gap.to_us)
            for gap in outages
        )
        for record in lost
    )


def distinct(outages: Iterable[Outage]) -> int:
    """Return the number of outages: one of a source opens a gap with the same beginning in each of its series."""
    return len(_by_beginning(outages))


def filled(outages: Iterable[Outage]) -> int:
    """Return the number of outages whose gaps are filled in every series."""
    return sum(states == {"filled"} for states in _by_beginning(outages).values())


def _by_beginning(outages: Iterable[Outage]) -> dict[tuple[str, int], set[str]]:
    found: dict[tuple[str, int], set[str]] = {}
    for gap in outages:
        found.setdefault((gap.series.partition(":")[0], gap.from_us), set()).add(gap.state)
    return found
