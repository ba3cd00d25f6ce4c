"""PURE. What waits to be sent: candles, gaps, late trades and dead letters, in the bytes in which they leave, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from processor.blocks import Message, Refused
from processor.core.outbox import Outbox
from processor.core.vendor_candles import VendorCandles
from processor.encoding import ColumnsEncoder
from processor.outgoing import Made, Outgoing, Send
from schemas import topics
from schemas.codec import Encoder
from schemas.records import Candle, Gap

KEPT_BYTES, KEPT_KEY_BYTES = 900_000, 1_000
"""Of a dead letter: with its headers it has to fit into Kafka's 1 MB, which what was refused may fill alone."""


class Counters(Protocol):
    """What the engine counts, so that it needs no metrics library."""

    def records(self, topic: str, number: int) -> None:
        """Count messages taken in."""

    def dead_letter(self, reason: str) -> None:
        """Count one message refused."""

    def late(self, reason: str, number: int) -> None:
        """Count records too old to enter a candle."""

    def candle(self, state: str, number: int) -> None:
        """Count candles made."""

    def gap(self, cause: str, state: str) -> None:
        """Count one gap record made."""


class Draft:
    """Filled by the engine batch by batch, taken by it for a flush."""

    def __init__(self, prefix: str, ids: Mapping[str, int], timeframes: Sequence[str], counters: Counters, service: str) -> None:
        """Make an empty draft.

        Args:
            prefix: first part of every topic's name.
            ids: registered schema id by dataset, for what is written (candles-<tf>, candles-live, gaps).
            timeframes: names of those that have candles.
            counters: told of everything that is drafted.
            service: name and version, put into dead letters.
        """
        self._counters = counters
        self._service = service.encode()
        datasets = {name: topics.candles_dataset(name) for name in timeframes}
        self._candle_topics = {name: topics.topic_name(dataset, prefix) for name, dataset in datasets.items()}
        self._live_topic = topics.CANDLES_LIVE.name(prefix)
        self._gaps_topic = topics.GAPS.name(prefix)
        self._late_topic = topics.LATE_TRADES.name(prefix)
        self._dead_topic = topics.DEAD_LETTERS.name(prefix)
        self._encode_candle = {name: Encoder(Candle, ids[dataset]) for name, dataset in datasets.items()}
        self._encode_many = {name: ColumnsEncoder(Candle, ids[dataset]) for name, dataset in datasets.items()}
        self._encode_live = Encoder(Candle, ids["candles-live"])
        self._encode_gap = Encoder(Gap, ids["gaps"])
        self._sends: list[Send] = []
        self._made: list[Made] = []

    def __bool__(self) -> bool:
        """True when something waits."""
        return bool(self._sends)

    def clear(self) -> None:
        """Forget what waits: it will be made again of what is read again."""
        self._sends, self._made = [], []

    def take(self, journal: list[Send]) -> Outgoing:
        """Take what waits; `journal` has to be acknowledged before it."""
        outgoing = Outgoing(journal, self._sends, 0, self._made)
        self.clear()
        return outgoing

    def add(self, number: int, out: Outbox) -> None:
        """Draft the candles and gaps that a partition has made."""
        if out.ignored:
            self._counters.late("history", out.ignored)
        for c in out.candles:
            value = self._encode_candle[c.timeframe](c)
            self._sends.append(Send(self._candle_topics[c.timeframe], number, c.series.encode(), value))
            self._made.append(Made(c, number, (value,)))
        for state, count in Counter(c.state for c in out.candles).items():
            self._counters.candle(state, count)
        for many in out.vendor_candles:
            self._add_many(number, many)
        for g in out.gaps:
            value = self._encode_gap(g)
            self._sends.append(Send(self._gaps_topic, number, g.series.encode(), value))
            self._made.append(Made(g, number, (value,)))
            self._counters.gap(g.cause, g.state)

    def _add_many(self, number: int, many: VendorCandles) -> None:
        name = many.timeframe.name
        bodies = self._encode_many[name](many.shared, many.columns)
        topic, key = self._candle_topics[name], many.origin.series.encode()
        self._sends += [Send(topic, number, key, body) for body in bodies]
        self._made.append(Made(many, number, bodies))
        self._counters.candle("revised", many.revised)
        self._counters.candle("final", len(many) - many.revised)

    def add_live(self, number: int, candles: Sequence[Candle], to: Outgoing) -> None:
        """Put live candles behind what `to` has already: they replace each other, and nothing waits for them."""
        self._counters.candle("live", len(candles))
        to.live += len(candles)
        for c in candles:
            value = self._encode_live(c)
            to.outputs.append(Send(self._live_topic, number, f"{c.series}|{c.timeframe}".encode(), value))
            to.records.append(Made(c, number, (value,)))

    def add_left_out(self, number: int, topic: str, messages: Sequence[Message], out: Outbox) -> None:
        """Draft what entered no candle, as it came: late trades, and records refused for their age; `messages` has them all."""
        if not (out.late or out.refused):
            return
        by_offset = {m.offset: m for m in messages}
        for reason, rows in out.late:
            self._counters.late(reason, rows.height)
            for offset in rows["offset"]:
                m = by_offset[offset]
                self._sends.append(Send(self._late_topic, number, m.key, m.value, [("reason", reason.encode())]))
        for reason, rows in out.refused:
            refused = [Refused(offset, reason, "too old to enter a candle") for offset in rows["offset"]]
            self.add_dead(number, topic, messages, refused)

    def add_dead(self, number: int, topic: str, messages: Sequence[Message], refused: Sequence[Refused]) -> None:
        """Draft a dead letter for each of `refused`, with the reason in its headers; `messages` has them all.

        It is what came; of what is too long for Kafka with our headers the beginning is kept, and ``original_bytes`` says so.
        """
        if not refused:
            return
        by_offset = {m.offset: m for m in messages}
        for offset, reason, detail in refused:
            m = by_offset[offset]
            value = m.value or b""
            schema_id = str(int.from_bytes(value[1:5], "big")) if len(value) >= 5 else ""
            headers = [
                ("reason", reason.encode()),
                ("__connect.errors.exception.message", detail.encode()[:500]),
                ("__connect.errors.topic", topic.encode()),
                ("__connect.errors.partition", str(number).encode()),
                ("__connect.errors.offset", str(offset).encode()),
                ("schema_id", schema_id.encode()),
                ("service", self._service),
            ]
            if len(value) > KEPT_BYTES:
                headers.append(("original_bytes", str(len(value)).encode()))
            key, kept = m.key and m.key[:KEPT_KEY_BYTES], m.value and m.value[:KEPT_BYTES]
            self._sends.append(Send(self._dead_topic, number, key, kept, headers))
            self._counters.dead_letter(reason)
