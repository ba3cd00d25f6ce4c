"""PURE. The state of a partition as keyed binary records, for a compacted changelog.

Four kinds of keys. A flush may be cut anywhere, so any prefix of it, on top of older records, restores to a right state: every
window says by its offset which records it holds, and statuses read again teach a series what its feed knows already. The order
within a flush matters:

1. ``f|<source>``: a feed's timeline. First, so that no series counts on a loss that is not known any more.
2. ``v|<series>|<day>``: a vendor's candles of one day; ``c|<series>|<run>|<timeframe>|<chunk>``: closed windows, 60 a chunk.
   Written when one of them changed, before the hot part, so that no window is in neither; deleted after it. What was forgotten
   since the last flush is still in them: an older hot part may lie beside a chunk, and then it needs those windows.
3. ``s|<series>|<run>``: the hot part of a series: open windows, first sight, gaps as told. Small, written when it changed.
4. ``f|<source>`` of a finished replay: after its series, for from then on its records are not read again.

``run`` is the epoch of a replay's run, 0 for what is live: a newer run's state never lies over that of a run before it.

Values are a version byte, then Avro. A value of another version is refused: state is rebuilt by reading the topics again.
"""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np

from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.frame import chunk_of
from processor.core.gaps import Published
from processor.core.ohlcv import Window
from processor.core.partition import Partition
from processor.core.results import Result
from processor.core.series import Series
from processor.core.timeline import Loss
from processor.core.vendor import ROW, day_bounds
from schemas.records import Served

VERSION = b"\x02"


def _record(name: str, **types: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in types.items()]}


_I128 = {"type": "fixed", "name": "I128", "size": 16}
_KEY = ("event", "venue", "epoch", "sequence")
_WINDOW = _record(
    "Window",
    start="long",
    **{f"open_{k}": "long" for k in _KEY},
    open="double",
    high="double",
    low="double",
    **{f"close_{k}": "long" for k in _KEY},
    close="double",
    size_n=_I128,
    buy_n="I128",
    notional_n="I128",
    trades="long",
    updates="long",
    late="long",
    fingerprint="long",
    offset="long",
    published="long",
)
_NULLABLE = ["null", "long"]
_GAP = _record(
    "Told", start="long", cause="string", end=_NULLABLE, missing=_NULLABLE, state="string", why_not="string", detail="string"
)
_LOSS = _record("Loss", start="long", end="long", cause="string", known_to="long", missing=_NULLABLE, detail="string")
_RESULT = _record(
    "Answer",
    cause="string",
    since="long",
    outcome="string",
    start="long",
    end="long",
    reason="string",
    retry_at=_NULLABLE,
    candles="boolean",
)
_RANGE = _record("Range", start="long", end="long")
_FRAME = _record("OpenFrame", timeframe="string", windows={"type": "array", "items": "Window"})
_HOT = fastavro.parse_schema(
    [
        _WINDOW,
        _record(
            "Hot",
            partition="int",
            source="string",
            symbol="string",
            price="string",
            run="long",
            first=_NULLABLE,
            good_from=_NULLABLE,
            taken="long",
            mark="long",
            watermark="long",
            floor="long",
            ended="boolean",
            left=_NULLABLE,
            answers={"type": "array", "items": _RESULT},
            bootstraps={"type": "array", "items": _RANGE},
            told={"type": "array", "items": _GAP},
            frames={"type": "array", "items": _FRAME},
        ),
    ]
)
_CHUNK = fastavro.parse_schema(
    [_WINDOW, _record("Chunk", partition="int", timeframe="string", windows={"type": "array", "items": "Window"})]
)
_SERVED = _record("Served", symbol="string", kind="string", good_from=_NULLABLE)
_FEED = fastavro.parse_schema(
    _record(
        "Feed",
        partition="int",
        epoch="long",
        replay="boolean",
        finished="boolean",
        state="string",
        clock="long",
        good_from=_NULLABLE,
        good_until=_NULLABLE,
        ids="string",
        offset="long",
        losses={"type": "array", "items": _LOSS},
        symbol_losses={"type": "map", "values": {"type": "array", "items": "Loss"}},
        served={"type": "array", "items": _SERVED},
        left={"type": "array", "items": _record("Left", symbol="string", kind="string", moment="long")},
    )
)
_LOSS_FIELDS = tuple(f["name"] for f in _LOSS["fields"])
_DAY = fastavro.parse_schema(_record("Day", partition="int", rows="bytes"))


class SnapshotError(ValueError):
    """State of a version or shape that this program does not read."""


def _write(schema: Any, values: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(VERSION)
    fastavro.schemaless_writer(out, schema, values)
    return out.getvalue()


def _read(schema: Any, data: bytes) -> dict[str, Any]:
    if data[:1] != VERSION:
        raise SnapshotError(
            f"state of version {data[:1].hex() or 'none'}, not {VERSION.hex()}: reset the processor's group and state"
        )
    try:
        values = fastavro.schemaless_reader(io.BytesIO(data[1:]), schema, None)
    except Exception as error:
        raise SnapshotError(f"state cannot be read: {error}") from error
    assert isinstance(values, dict)
    return values


def _dump_window(w: Window) -> dict[str, Any]:
    values: dict[str, Any] = {n: getattr(w, n) for n in ("start", "open", "high", "low", "close", "trades", "updates", "late")}
    values.update({f"open_{k}": v for k, v in zip(_KEY, w.open_key, strict=True)})
    values.update({f"close_{k}": v for k, v in zip(_KEY, w.close_key, strict=True)})
    values.update({n: getattr(w, n).to_bytes(16, "little", signed=True) for n in ("size_n", "buy_n", "notional_n")})
    values.update(fingerprint=w.signed_fingerprint, offset=w.offset, published=w.published)
    return values


def _load_window(values: dict[str, Any]) -> Window:
    w = Window.__new__(Window)
    for n in ("start", "open", "high", "low", "close", "trades", "updates", "late", "offset", "published"):
        setattr(w, n, values[n])
    w.open_key = (values["open_event"], values["open_venue"], values["open_epoch"], values["open_sequence"])
    w.close_key = (values["close_event"], values["close_venue"], values["close_epoch"], values["close_sequence"])
    for n in ("size_n", "buy_n", "notional_n"):
        setattr(w, n, int.from_bytes(values[n], "little", signed=True))
    w.fingerprint = values["fingerprint"] & (1 << 64) - 1
    return w


def _hot_key(series: Series) -> bytes:
    return f"s|{series.name}|{series.run}".encode()


def _chunk_key(series: Series, index: int, chunk: int) -> bytes:
    return f"c|{series.name}|{series.run}|{series.frames[index].timeframe.name}|{chunk}".encode()


def _day_key(series: Series, day: int) -> bytes:
    return f"v|{series.name}|{day}".encode()


def dump(partition: Partition) -> list[tuple[bytes, bytes | None]]:
    """Return (key, value) of all state that changed since the last call, in the order to be written; None deletes."""
    feeds = [
        (partition.feeds[source].finished, f"f|{source}".encode(), _dump_feed(partition, source))
        for source in partition.dirty_feeds
    ]
    partition.dirty_feeds = set()
    written: list[tuple[bytes, bytes | None]] = [(key, value) for finished, key, value in feeds if not finished]
    for series in partition.gone:
        if _has_heir(partition, series):
            continue
        written.append((_hot_key(series), None))
        written += [(_chunk_key(series, i, c), None) for i, c in series.chunks_written]
        written += [(_day_key(series, d), None) for d in series.history.vendor.written]
    for series in partition.ended:
        if _has_heir(partition, series):
            partition.series[series.name].inherit(series)
    for name in partition.dirty_series:
        written += _dump_series(partition.series[name])
    partition.dirty_series = set()
    for series in partition.ended:
        if not _has_heir(partition, series):
            written += _dump_series(series)
    partition.gone, partition.ended = partition.ended, []
    return written + [(key, value) for finished, key, value in feeds if finished]


def _has_heir(partition: Partition, series: Series) -> bool:
    # A symbol that was left and named again between two snapshots: the new series writes under the same keys.
    heir = partition.series.get(series.name)
    return heir is not None and heir.run == series.run


def _dump_series(series: Series) -> list[tuple[bytes, bytes | None]]:
    written, deleted = _dump_days(series)
    for i, chunk in series.chunks_due:
        frame = series.frames[i]
        members = [s for s in frame.starts_in(chunk) if s not in frame.open]
        key = _chunk_key(series, i, chunk)
        if members:
            passing = [s for s in frame.passing if chunk_of(frame.timeframe, s) == chunk]
            windows = [_dump_window(frame.passing[s]) for s in passing] + [_dump_window(frame.windows[s]) for s in members]
            values = {"partition": series.partition, "timeframe": frame.timeframe.name, "windows": windows}
            written.append((key, _write(_CHUNK, values)))
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
        "left": series.left,
        "answers": [
            {"cause": cause, "since": since, **r._asdict()} for (cause, since), r in series.history.results.of_gap.items()
        ],
        "bootstraps": [{"start": a, "end": b} for a, b in series.history.results.bootstraps],
        "told": [vars(g) for g in series.book.told],
        "frames": [
            {"timeframe": f.timeframe.name, "windows": [_dump_window(f.windows[s]) for s in sorted(f.open) if s in f.windows]}
            for f in series.frames
            if f.open
        ],
    }
    written.append((_hot_key(series), _write(_HOT, hot)))
    series.dirty = False
    return written + deleted


def _dump_days(series: Series) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes | None]]]:
    written: list[tuple[bytes, bytes | None]] = []
    deleted: list[tuple[bytes, bytes | None]] = []
    vendor = series.history.vendor
    for day in vendor.due:
        rows = vendor.between(*day_bounds(day))
        if rows.size:
            written.append((_day_key(series, day), _write(_DAY, {"partition": series.partition, "rows": rows.tobytes()})))
            vendor.written.add(day)
        elif day in vendor.written:
            deleted.append((_day_key(series, day), None))
            vendor.written.discard(day)
    vendor.due = set()
    return written, deleted


def _dump_feed(partition: Partition, source: str) -> bytes:
    feed = partition.feeds[source]
    values = {
        n: getattr(feed, n) for n in ("epoch", "replay", "finished", "state", "clock", "good_from", "good_until", "ids", "offset")
    }
    values["partition"] = partition.number
    values["losses"] = [_dump_loss(x) for x in feed.losses]
    values["symbol_losses"] = {s: [_dump_loss(x) for x in losses] for s, losses in feed.symbol_losses.items()}
    values["served"] = [vars(s) for s in feed.served.values()]
    values["left"] = [{"symbol": s, "kind": k, "moment": at} for (s, k), at in feed.left.items()]
    return _write(_FEED, values)


def _dump_loss(loss: Loss) -> dict[str, Any]:
    return {n: getattr(loss, n) for n in _LOSS_FIELDS}  # what became of it is each series' own


def load(config: CoreConfig, number: int, state: dict[bytes, bytes]) -> Partition:
    """Return partition `number` from its changelog's latest records.

    Records of other partitions are ignored (they are left behind by a rebalance). Windows of a timeframe that is no
    longer configured are ignored too.

    Raises:
        SnapshotError: a record is of another version or cannot be read.
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
        series.drop_forgotten()
        for frame in series.frames:
            frame.starts = sorted(frame.windows)
            partition.restored_to = max([partition.restored_to, *(w.offset for w in frame.windows.values())])
        if series.history.vendor:
            series.history_restored()
        if partition.series.get(series.name) is not series:
            partition.ended.append(series)  # of a run before: all is told of it, only its state was not deleted yet
    partition.resume()
    return partition


def _load_feed(partition: Partition, source: str, data: bytes) -> None:
    values = _read(_FEED, data)
    if values["partition"] != partition.number:
        return
    feed: Feed = partition.feed(source)
    for n in ("epoch", "replay", "finished", "state", "clock", "good_from", "good_until", "ids", "offset"):
        setattr(feed, n, values[n])
    feed.losses = [Loss(**x) for x in values["losses"]]
    feed.symbol_losses = {s: [Loss(**x) for x in losses] for s, losses in values["symbol_losses"].items()}
    feed.served = {(s["symbol"], s["kind"]): Served(**s) for s in values["served"]}
    feed.left = {(x["symbol"], x["kind"]): x["moment"] for x in values["left"]}
    feed.revision = 1


def _load_hot(partition: Partition, data: bytes) -> Series | None:
    values = _read(_HOT, data)
    if values["partition"] != partition.number:
        return None
    feed = partition.feed(values["source"])
    series = Series(partition.config, feed, values["symbol"], values["price"], partition.number)
    for n in ("run", "first", "good_from", "taken", "mark", "watermark", "floor", "ended", "left"):
        setattr(series, n, values[n])
    series.known = series.taken
    series.book.told = [Published(**g) for g in values["told"]]
    results = series.history.results
    results.bootstraps = [(r["start"], r["end"]) for r in values["bootstraps"]]
    for answer in values["answers"]:
        place = answer.pop("cause"), answer.pop("since")
        results.of_gap[place] = Result(**answer)
    for told in values["frames"]:
        for frame in series.frames:
            if frame.timeframe.name == told["timeframe"]:
                for window in map(_load_window, told["windows"]):
                    frame.windows[window.start] = window
                    frame.open.add(window.start)
    known = partition.series.get(series.name)
    if known is None or known.run < series.run:
        if known is not None:
            partition.of_source[known.feed.source].remove(known)
        partition.adopt(series)
    return series


def _load_day(series: Series, day: int, data: bytes) -> None:
    values = _read(_DAY, data)
    if values["partition"] != series.partition:
        return
    vendor = series.history.vendor
    rows = np.concatenate((vendor.rows, np.frombuffer(values["rows"], ROW)))
    vendor.rows = rows[np.argsort(rows["start"], kind="stable")]
    vendor.written.add(day)


def _load_chunk(partition: Partition, series: Series, chunk: int, data: bytes) -> None:
    values = _read(_CHUNK, data)
    if values["partition"] != partition.number:
        return
    for i, frame in enumerate(series.frames):
        if frame.timeframe.name != values["timeframe"]:
            continue
        series.chunks_written.add((i, chunk))
        for window in map(_load_window, values["windows"]):
            # Written before the hot part, so never older than the copy that was still open there.
            frame.windows[window.start] = window
            frame.open.discard(window.start)
