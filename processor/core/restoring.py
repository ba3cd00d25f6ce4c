"""PURE. A partition made again from its state records (see `snapshot`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from processor.core import forgetting
from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.frame import Frame
from processor.core.gaps import Published
from processor.core.group_state import load_groups
from processor.core.journal import load_journal
from processor.core.numbers import Range
from processor.core.ohlcv import Window
from processor.core.partition import Partition
from processor.core.results import Result
from processor.core.series import Series
from processor.core.shapes import CHUNK, DAY, FEED, FEED_FIELDS, HOT, SnapshotError, read
from processor.core.timeline import Loss
from processor.core.vendor import ROW
from schemas.records import Served


def _window(values: dict[str, Any]) -> Window:
    w = Window.__new__(Window)
    for n in ("start", "open", "high", "low", "close", "trades", "updates", "late", "offset", "published"):
        setattr(w, n, values[n])
    w.open_key = (values["open_event"], values["open_venue"], values["open_epoch"], values["open_sequence"])
    w.close_key = (values["close_event"], values["close_venue"], values["close_epoch"], values["close_sequence"])
    for n in ("size_n", "buy_n", "notional_n"):
        setattr(w, n, int.from_bytes(values[n], "little", signed=True))
    w.fingerprint = values["fingerprint"] & (1 << 64) - 1
    return w


def load(config: CoreConfig, number: int, state: dict[bytes, bytes]) -> Partition:
    """Return partition `number` from its changelog's latest records.

    Records of other partitions are ignored (they are left behind by a rebalance). Windows of a timeframe that is no
    longer configured are ignored too.

    Raises:
        SnapshotError: a record is of another version, cannot be read, or is of days that rolled at other times.
    """
    partition = Partition(config, number)
    for key, value in state.items():
        if key.startswith(b"f|"):
            _load_feed(partition, key[2:].decode(), value)
    series_of = {}
    for key, value in sorted(state.items()):
        if key.startswith(b"s|") and (series := _load_hot(partition, value)) is not None:
            series_of[series.name, series.run] = series
    for key, value in state.items():
        if key.startswith(b"v|"):
            name, _, day = key[2:].decode().rpartition("|")
            if (name, 0) in series_of:
                _load_day(series_of[name, 0], int(day), value)
    for key, value in state.items():
        if key.startswith(b"c|"):
            name, run, _, chunk = key[2:].decode().rsplit("|", 3)
            found = series_of.get((name, int(run)))
            if found is not None:
                _load_chunk(partition, found, int(chunk), value)
    for series in series_of.values():
        forgetting.drop_forgotten(series)
        for frame in series.frames:
            frame.starts = sorted(frame.windows)
            partition.restored_to = max([partition.restored_to, *(w.offset for w in frame.windows.values())])
        if series.history.vendor:
            series.history_restored()
        if partition.series.get(series.name) is not series:
            partition.ended.append(series)  # of a run before: all is told of it, only its state was not deleted yet
    _load_journal(partition, series_of, state)
    load_groups(partition.groups, number, state)
    partition.groups.restored(partition)
    partition.resume()
    return partition


def _load_journal(partition: Partition, series_of: dict[tuple[str, int], Series], state: dict[bytes, bytes]) -> None:
    for place, remembered in load_journal(partition.number, state).items():
        series = series_of.get(place)
        if series is not None and series.ended:
            series.book.journaled += remembered.told  # to be deleted with the next state: all is told of it
        else:
            partition.remembered[place] = remembered


def _load_feed(partition: Partition, source: str, data: bytes) -> None:
    values = read(FEED, data)
    if values["partition"] != partition.number:
        return
    feed: Feed = partition.feed(source)
    for n in FEED_FIELDS:
        setattr(feed, n, values[n])
    feed.losses = [Loss(**x) for x in values["losses"]]
    feed.symbol_losses = {s: [Loss(**x) for x in losses] for s, losses in values["symbol_losses"].items()}
    feed.served = {(s["symbol"], s["kind"]): Served(**s) for s in values["served"]}
    for x in values["absences"]:
        feed.absences.add((x["symbol"], x["kind"]), x["start"], x["end"])
    feed.revision = 1


def _load_hot(partition: Partition, data: bytes) -> Series | None:
    values = read(HOT, data)
    if values["partition"] != partition.number:
        return None
    feed = partition.feed(values["source"])
    series = Series(partition.config, feed, values["symbol"], values["price"], partition.number)
    for n in ("run", "first", "good_from", "taken", "mark", "watermark", "floor", "ended"):
        setattr(series, n, values[n])
    series.known = series.taken
    series.book.told = [Published(**g) for g in values["told"]]
    series.lost = [Loss(**x) for x in values["lost"]]
    for known in values["numbers"]:
        series.numbers.seen.setdefault(known.pop("epoch"), []).append(Range(**known))
    results = series.history.results
    results.bootstraps = [(r["start"], r["end"]) for r in values["bootstraps"]]
    for answer in values["answers"]:
        place = answer.pop("cause"), answer.pop("since")
        results.of_gap[place] = Result(**answer)
    for told in values["frames"]:
        for frame in series.frames:
            if frame.timeframe.name == told["timeframe"]:
                for window in map(_window, told["windows"]):
                    _check(series, frame, window)
                    frame.windows[window.start] = window
                    frame.open.add(window.start)
    known = partition.series.get(series.name)
    if known is None or known.run < series.run:
        if known is not None:
            partition.of_source[known.feed.source].remove(known)
        partition.adopt(series)
    return series


def _check(series: Series, frame: Frame, window: Window) -> None:
    if frame.timeframe.start_of(window.start) != window.start:
        raise SnapshotError(
            f"state of {series.name} holds a {frame.timeframe.name} window from {window.start}, where none begins:"
            " days roll at other times since then; reset the processor's group and state"
        )


def _load_day(series: Series, day: int, data: bytes) -> None:
    values = read(DAY, data)
    if values["partition"] != series.partition:
        return
    vendor = series.history.vendor
    rows = np.concatenate((vendor.rows, np.frombuffer(values["rows"], ROW)))
    vendor.rows = rows[np.argsort(rows["start"], kind="stable")]
    vendor.written.add(day)


def _load_chunk(partition: Partition, series: Series, chunk: int, data: bytes) -> None:
    values = read(CHUNK, data)
    if values["partition"] != partition.number:
        return
    for i, frame in enumerate(series.frames):
        if frame.timeframe.name != values["timeframe"]:
            continue
        series.chunks_written.add((i, chunk))
        for window in map(_window, values["windows"]):
            _check(series, frame, window)
            # Written before the hot part, so never older than the copy that was still open there.
            frame.windows[window.start] = window
            frame.open.discard(window.start)
