"""PURE. What the history's thread counts; each number is moved by that thread alone and read by whoever asks."""

from __future__ import annotations

from collections import Counter


class HistoryCounts:
    """The numbers of one run. Labels are from fixed sets."""

    def __init__(self) -> None:
        self.requests = Counter[str]()  # outcome -> requests: answered, doubtful, busy, unavailable, refused
        self.records = Counter[str]()  # candle, result -> records given to Kafka
        self.results = Counter[tuple[str, str]]()  # (origin, outcome) -> questions that came to an end
        self.dropped = Counter[str]()  # why -> candles of replies that were not taken: unfinished, outside, damaged
        self.gaps_waiting = 0  # gaps that may be filled and are not yet
        self.bootstrap_wanted_us = 0  # time to be loaded before live, over all series
        self.bootstrap_settled_us = 0  # of it, what has its result
        self.trades = 0  # exact trades handed to the feed's loop
