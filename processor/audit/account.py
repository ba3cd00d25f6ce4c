"""PURE. The conservation account (law 1): every record of the trades topic, series by series, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from processor.audit.compare import Comparison, Difference
from processor.audit.rebuild import Tally


@dataclass(frozen=True)
class Account:
    """What became of one series' trade records (trades and price updates); of a replay, those of its newest run."""

    series: str
    read: int
    """On the trades topic, as far as the processor has committed it."""
    in_candles: int
    """Counted by the latest versions of the 1m candles that were compared."""
    open: int
    """In windows that are not closed yet."""
    not_compared: int
    """In closed windows that could not be compared: in motion, or cut off by retention."""
    late: int
    """On late-trades."""
    dead_letters: int
    """On dead-letters."""

    @property
    def balances(self) -> bool:
        """Tell whether every record is accounted for."""
        return self.read == self.in_candles + self.open + self.not_compared + self.late + self.dead_letters


@dataclass
class Report:
    """What an audit found."""

    differences: list[Difference]
    counts: Counter[str]
    accounts: list[Account]
    records: int
    """Input records read."""
    generation: int
    """Newest generation seen on a candle."""
    notes: list[str]

    @property
    def clean(self) -> bool:
        """True where nothing differs and every account balances."""
        return not self.differences and all(a.balances for a in self.accounts)


@dataclass(frozen=True)
class Ledger:
    """What a partition's account is made of, as of the moment up to which everything was committed."""

    tally: Tally
    open: Counter[str]
    """Records in open 1m windows, by series."""
    missing_late: Counter[str]
    missing_dead: Counter[str]
    """Trades that ought to be on late-trades or dead-letters and are not, by instrument."""


def accounts(comparison: Comparison, ledgers: Iterable[Ledger]) -> list[Account]:
    """Return one account a series, by name; `comparison` is that of all partitions."""
    return sorted((a for ledger in ledgers for a in _of_partition(comparison, ledger)), key=lambda a: a.series)


def _of_partition(comparison: Comparison, ledger: Ledger) -> Iterator[Account]:
    tally = ledger.tally
    for instrument in {key for key, _ in tally.read}:
        runs = {0, tally.newest.get(instrument.partition(":")[0], 0)}
        yield Account(
            series=instrument,
            read=sum(tally.read[instrument, run] for run in runs),
            in_candles=comparison.in_candles[instrument],
            open=ledger.open[instrument],
            not_compared=comparison.uncompared[instrument],
            late=sum(tally.late[instrument, run] for run in runs) - ledger.missing_late[instrument],
            dead_letters=sum(tally.dead[instrument, run] for run in runs) - ledger.missing_dead[instrument],
        )
