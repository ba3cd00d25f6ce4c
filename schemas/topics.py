"""PURE. The topic catalogue: the one place where topics, their keys, policies and retention are written.

The deploy step creates what stands here, the documents list it, and tests compare both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.records import Candle, FeedStatus, Gap, HistoryCandle, Quote, Record, Trade
from schemas.timeframes import DAY, Timeframe

_DAY_MS = DAY // 1000
_YEAR_MS = 365 * _DAY_MS
DEFAULT_PREFIX = "md"
PROCESSOR_GROUP = "processor"
SINK_GROUP = "sink"


@dataclass(frozen=True)
class Topic:
    """One topic: ``dataset`` is the middle of its name; ``record`` is None where the value is not ours (dead letters, state)."""

    dataset: str
    record: type[Record] | None
    key: str
    doc: str
    config: dict[str, str] = field(default_factory=dict)

    def name(self, prefix: str = DEFAULT_PREFIX) -> str:
        """Return the full name: ``<prefix>.<dataset>.v1``."""
        return topic_name(self.dataset, prefix)

    def subject(self, prefix: str = DEFAULT_PREFIX) -> str:
        """Return the registry subject of the value."""
        return f"{self.name(prefix)}-value"


def topic_name(dataset: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Return the full name of the topic of `dataset`."""
    return f"{prefix}.{dataset}.v1"


def changelog_name(prefix: str = DEFAULT_PREFIX) -> str:
    """Return the name of the processor's state topic, which Faust derives from app id and table name."""
    return f"{prefix}-{PROCESSOR_GROUP}-state-changelog"


def group_name(group: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Return the consumer group of a service (`PROCESSOR_GROUP`, `SINK_GROUP`)."""
    return f"{prefix}-{group}"


def lease_group(source: str, prefix: str = DEFAULT_PREFIX) -> str:
    """Return the consumer group whose member with a partition of `LEASES` is the active producer of `source`."""
    return f"{prefix}-lease-{source}"


def _delete(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


_CANDLE_DAYS = ((DAY // 1440, 30), (DAY // 288, 90), (DAY // 24, 365))


def _candle_retention(timeframe: Timeframe) -> dict[str, str]:
    days = next((d for us, d in _CANDLE_DAYS if timeframe.us <= us), None)
    return {"cleanup.policy": "delete", "retention.ms": "-1"} if days is None else _delete(days)


def candles_dataset(timeframe: str) -> str:
    """Return the dataset of final and revised candles of `timeframe`."""
    return f"candles-{timeframe}"


TRADES = Topic("trades", Trade, "instrument", "Every trade and price update, one record each.", _delete(7))
QUOTES = Topic("quotes", Quote, "instrument", "Every change of the best bid and ask.", _delete(7))
FEED_STATUS = Topic(
    "feed-status", FeedStatus, "source, written to every partition", "What each source knows of its own feed.", _delete(7)
)
HISTORY = Topic("history", HistoryCandle, "instrument", "Vendors' 1m candles and the results of backfills.", _delete(40))
CANDLES_LIVE = Topic(
    "candles-live",
    Candle,
    "series|timeframe, in the instrument's partition",
    "Candles still open, at most every 250 ms.",
    {"cleanup.policy": "compact,delete", "retention.ms": str(_DAY_MS)},
)
GAPS = Topic(
    "gaps", Gap, "series, in the instrument's partition", "Gaps with their cause; the highest version wins.", _delete(365)
)
LATE_TRADES = Topic("late-trades", Trade, "instrument", "Trades too old to enter a candle; header reason says why.", _delete(7))
DEAD_LETTERS = Topic(
    "dead-letters", None, "the original key", "Input refused: original bytes, reason and origin in headers.", _delete(30)
)
LEASES = Topic(
    "leases", None, "none", "No records: who owns its one partition in a source's group is the active producer.", _delete(1)
)
"""Not in the catalogue: it has one partition, and nobody reads it."""
INPUTS = (TRADES, QUOTES, FEED_STATUS, HISTORY)


def catalogue(timeframes: Sequence[Timeframe]) -> tuple[Topic, ...]:
    """Return every public topic, with one ``candles-<timeframe>`` a timeframe. All have the same number of partitions."""
    candles = tuple(
        Topic(
            candles_dataset(t.name),
            Candle,
            "series, in the instrument's partition",
            f"Final and revised {t.name} candles; the highest version of a start wins.",
            _candle_retention(t),
        )
        for t in timeframes
    )
    return (*INPUTS, *candles, CANDLES_LIVE, GAPS, LATE_TRADES, DEAD_LETTERS)


CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    "segment.ms": "600000",
    "segment.bytes": str(16 << 20),
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": "600000",
}
"""Short segments and hard compaction keep the processor's recovery short."""
