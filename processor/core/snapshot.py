"""PURE. The state of a partition as keyed binary records, for a compacted changelog.

A flush may be cut anywhere, so any prefix of it, on top of older records, restores to a right state: every
window says by its offset which records it holds, and statuses read again teach a series what its feed knows already. The order
within a flush matters:

0. ``g|<series>|<hour>``: what a group has heard (see `group_state`), before the state of those it was heard from;
   ``h|<series>|<hour>``: its gaps as told, ``u|...``: their journal (see `group_gap_state`).
   Then series that have ended (runs of replays, as in 2 and 3), before a feed that knows of the next run: statuses of an older
   one teach it nothing, so a run that had to end again would know less than it has said.
1. ``f|<source>``: a feed's timeline. Before series, so that no series counts on a loss that is not known any more.
2. ``v|<series>|<day>``: a vendor's candles of one day; ``c|<series>|<run>|<timeframe>|<chunk>``: closed windows, 60 a chunk.
   Written when one of them changed, before the hot part, so that no window is in neither; deleted after it. What was forgotten
   since the last flush is still in them: an older hot part may lie beside a chunk, and then it needs those windows.
3. ``s|<series>|<run>``: the hot part of a series: open windows, first sight, gaps as told. Small, written when it changed.
4. ``t|...``: see `journal`; written before gaps are sent, deleted here, after the hot part that holds them.
5. ``f|<source>`` of a finished replay: after its series, for from then on its records are not read again.

``run`` is the epoch of a replay's run, 0 for what is live: a newer run's state never lies over that of a run before it.

Values are a version byte, then Avro. A value of another version is refused: state is rebuilt by reading the topics again.
"""

from __future__ import annotations

from typing import Any

from processor.core.frame import chunk_of
from processor.core.group_state import dump_groups
from processor.core.journal import journal_key
from processor.core.partition import Partition
from processor.core.runs import may_go
from processor.core.series import Series
from processor.core.shapes import DAY, FEED, FEED_FIELDS, LOSS_FIELDS, write, write_chunk, write_hot
from processor.core.timeline import Loss
from processor.core.vendor import day_bounds


def _hot_key(series: Series) -> bytes:
    return f"s|{series.name}|{series.run}".encode()


def _chunk_key(series: Series, index: int, chunk: int) -> bytes:
    return f"c|{series.name}|{series.run}|{series.frames[index].timeframe.name}|{chunk}".encode()


def _day_key(series: Series, day: int) -> bytes:
    return f"v|{series.name}|{day}".encode()


def dump(partition: Partition) -> list[tuple[bytes, bytes | None]]:
    """Return (key, value) of all state that changed since the last call, in the order to be written; None deletes.

    By name within a kind: a crash in the middle leaves the same state behind wherever the same was done.
    """
    feeds = [
        (partition.feeds[source].finished, f"f|{source}".encode(), _dump_feed(partition, source))
        for source in sorted(partition.dirty_feeds)
    ]
    partition.dirty_feeds = set()
    written = dump_groups(partition.groups)
    for series in partition.ended:
        written += _dump_series(series)
    written += [(key, value) for finished, key, value in feeds if not finished]
    for series in partition.gone:
        written.append((_hot_key(series), None))
        written += [(_chunk_key(series, i, c), None) for i, c in series.chunks_written]
        written += [(_day_key(series, d), None) for d in series.history.vendor.written]
    for name in sorted(partition.dirty_series):
        written += _dump_series(partition.series[name])
    partition.dirty_series = set()
    partition.gone = [s for s in partition.ended if may_go(partition, s)]
    partition.ended = [s for s in partition.ended if not may_go(partition, s)]
    return written + [(key, value) for finished, key, value in feeds if finished]


def _dump_series(series: Series) -> list[tuple[bytes, bytes | None]]:
    written, deleted = _dump_days(series)
    for i, chunk in series.chunks_due:
        frame = series.frames[i]
        members = [s for s in frame.starts_in(chunk) if s not in frame.open]
        key = _chunk_key(series, i, chunk)
        if members:
            passing = [s for s in frame.passing if chunk_of(frame.timeframe, s) == chunk]
            windows = [frame.passing[s] for s in passing] + [frame.windows[s] for s in members]
            values = {"partition": series.partition, "timeframe": frame.timeframe.name, "windows": windows}
            written.append((key, write_chunk(values)))
            series.chunks_written.add((i, chunk))
        elif (i, chunk) in series.chunks_written:
            deleted.append((key, None))
            series.chunks_written.discard((i, chunk))
    series.chunks_due = set()
    for frame in series.frames:
        frame.passing = {}
    hot = {
        "partition": series.partition,
        "source": series.feed.source,
        "symbol": series.symbol,
        "price": series.price,
        "run": series.run,
        "first": series.first,
        "good_from": series.good_from,
        "taken": series.taken,
        "mark": series.mark,
        "watermark": series.watermark,
        "floor": series.floor,
        "ended": series.ended,
        "numbers": [{"epoch": epoch, **r._asdict()} for epoch, ranges in series.numbers.seen.items() for r in ranges],
        "lost": [_dump_loss(x) for x in series.lost],
        "answers": [
            {"cause": cause, "since": since, **r._asdict()} for (cause, since), r in series.history.results.of_gap.items()
        ],
        "bootstraps": [{"start": a, "end": b} for a, b in series.history.results.bootstraps],
        "told": [vars(g) for g in series.book.told],
        "frames": [
            {"timeframe": f.timeframe.name, "windows": [f.windows[s] for s in sorted(f.open) if s in f.windows]}
            for f in series.frames
            if f.open
        ],
    }
    written.append((_hot_key(series), write_hot(hot)))
    deleted += [(journal_key(series, gap), None) for gap in series.book.journaled]
    series.book.journaled = []
    series.dirty = False
    return written + deleted


def _dump_days(series: Series) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes | None]]]:
    written: list[tuple[bytes, bytes | None]] = []
    deleted: list[tuple[bytes, bytes | None]] = []
    vendor = series.history.vendor
    for day in vendor.due:
        rows = vendor.between(*day_bounds(day))
        if rows.size:
            written.append((_day_key(series, day), write(DAY, {"partition": series.partition, "rows": rows.tobytes()})))
            vendor.written.add(day)
        elif day in vendor.written:
            deleted.append((_day_key(series, day), None))
            vendor.written.discard(day)
    vendor.due = set()
    return written, deleted


def _dump_feed(partition: Partition, source: str) -> bytes:
    feed = partition.feeds[source]
    values = {n: getattr(feed, n) for n in FEED_FIELDS}
    values["partition"] = partition.number
    values["losses"] = [_dump_loss(x) for x in feed.losses]
    values["symbol_losses"] = {s: [_dump_loss(x) for x in losses] for s, losses in feed.symbol_losses.items()}
    values["served"] = [vars(s) for s in feed.served.values()]
    values["absences"] = [
        {"symbol": symbol, "kind": kind, "start": x.start, "end": x.end}
        for (symbol, kind), losses in feed.absences.known.items()
        for x in losses
    ]
    return write(FEED, values)


def _dump_loss(loss: Loss) -> dict[str, Any]:
    return {n: getattr(loss, n) for n in LOSS_FIELDS}  # what became of it is each series' own
