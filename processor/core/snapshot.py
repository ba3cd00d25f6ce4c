"""PURE. The state of a partition as keyed binary records, for a compacted changelog.

Three kinds of keys. A flush may be cut anywhere, so any prefix of it, on top of older records, restores to a right state: every
window says by its offset which records it holds, and statuses read again teach a series what its feed knows already. The order
within a flush matters:

1. ``f|<source>``: a feed's timeline. First, so that no series counts on a loss that is not known any more.
2. ``c|<series>|<timeframe>|<chunk>``: closed windows, 60 a chunk, written when one of them changed. Before the
   hot part, so that no window is in neither; deleted after it.
3. ``s|<series>``: the hot part of a series: open windows, first sight, gaps as told. Small, written when it changed.
4. ``f|<source>`` of a finished replay: after its series, for from then on its records are not read again.

Values are a version byte, then Avro. A value of another version is refused: state is rebuilt by reading the topics again.
"""

from __future__ import annotations

import io
from typing import Any

import fastavro

from processor.core.config import CoreConfig
from processor.core.feed import Feed
from processor.core.gaps import Published
from processor.core.ohlcv import Window
from processor.core.partition import Partition
from processor.core.series import Series
from processor.core.timeline import Loss
from schemas.records import Served

VERSION = b"\x01"


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
_GAP = _record("Told", start="long", cause="string", end=_NULLABLE, missing=_NULLABLE)
_LOSS = _record("Loss", start="long", end="long", cause="string", known_to="long", missing=_NULLABLE, detail="string")
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
    )
)


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


def _chunk_key(series: str, timeframe: str, chunk: int) -> bytes:
    return f"c|{series}|{timeframe}|{chunk}".encode()


def dump(partition: Partition) -> list[tuple[bytes, bytes | None]]:
    """Return (key, value) of all state that changed since the last call, in the order to be written; None deletes."""
    feeds = [
        (partition.feeds[source].finished, f"f|{source}".encode(), _dump_feed(partition, source))
        for source in partition.dirty_feeds
    ]
    partition.dirty_feeds = set()
    written: list[tuple[bytes, bytes | None]] = [(key, value) for finished, key, value in feeds if not finished]
    for series in partition.gone:
        written.append((f"s|{series.name}".encode(), None))
        written += [(_chunk_key(series.name, series.frames[i].timeframe.name, c), None) for i, c in series.chunks_written]
    for name in partition.dirty_series:
        written += _dump_series(partition.series[name])
    partition.dirty_series = set()
    for series in partition.ended:
        written += _dump_series(series)
    partition.gone, partition.ended = partition.ended, []
    return written + [(key, value) for finished, key, value in feeds if finished]


def _dump_series(series: Series) -> list[tuple[bytes, bytes | None]]:
    written: list[tuple[bytes, bytes | None]] = []
    deleted: list[tuple[bytes, bytes | None]] = []
    for i, chunk in series.chunks_due:
        frame = series.frames[i]
        members = [s for s in frame.starts_in(chunk) if s not in frame.open]
        key = _chunk_key(series.name, frame.timeframe.name, chunk)
        if members:
            windows = [_dump_window(frame.windows[s]) for s in members]
            written.append(
                (key, _write(_CHUNK, {"partition": series.partition, "timeframe": frame.timeframe.name, "windows": windows}))
            )
            series.chunks_written.add((i, chunk))
        elif (i, chunk) in series.chunks_written:
            deleted.append((key, None))
            series.chunks_written.discard((i, chunk))
    series.chunks_due = set()
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
        "told": [vars(g) for g in series.book.told],
        "frames": [
            {"timeframe": f.timeframe.name, "windows": [_dump_window(f.windows[s]) for s in sorted(f.open)]}
            for f in series.frames
            if f.open
        ],
    }
    written.append((f"s|{series.name}".encode(), _write(_HOT, hot)))
    series.dirty = False
    return written + deleted


def _dump_feed(partition: Partition, source: str) -> bytes:
    feed = partition.feeds[source]
    values = {
        n: getattr(feed, n) for n in ("epoch", "replay", "finished", "state", "clock", "good_from", "good_until", "ids", "offset")
    }
    values["partition"] = partition.number
    values["losses"] = [x._asdict() for x in feed.losses]
    values["symbol_losses"] = {s: [x._asdict() for x in losses] for s, losses in feed.symbol_losses.items()}
    values["served"] = [vars(s) for s in feed.served.values()]
    return _write(_FEED, values)


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
    for key, value in state.items():
        if key.startswith(b"s|"):
            _load_hot(partition, value)
    for key, value in state.items():
        if key.startswith(b"c|"):
            series_name, _, chunk = key[2:].decode().rpartition("|")
            series_name = series_name.rpartition("|")[0]
            found = partition.series.get(series_name)
            if found is not None:
                _load_chunk(partition, found, int(chunk), value)
    for series in partition.series.values():
        for frame in series.frames:
            frame.starts = sorted(frame.windows)
            partition.restored_to = max([partition.restored_to, *(w.offset for w in frame.windows.values())])
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
    feed.served = {s["symbol"]: Served(**s) for s in values["served"]}
    feed.revision = 1


def _load_hot(partition: Partition, data: bytes) -> None:
    values = _read(_HOT, data)
    if values["partition"] != partition.number:
        return
    feed = partition.feed(values["source"])
    series = partition.adopt(Series(partition.config, feed, values["symbol"], values["price"], partition.number))
    for n in ("run", "first", "good_from", "taken", "mark", "watermark", "floor", "ended"):
        setattr(series, n, values[n])
    series.known = series.taken
    series.book.told = [Published(**g) for g in values["told"]]
    for told in values["frames"]:
        for frame in series.frames:
            if frame.timeframe.name == told["timeframe"]:
                for window in map(_load_window, told["windows"]):
                    frame.windows[window.start] = window
                    frame.open.add(window.start)


def _load_chunk(partition: Partition, series: Series, chunk: int, data: bytes) -> None:
    values = _read(_CHUNK, data)
    if values["partition"] != partition.number:
        return
    for i, frame in enumerate(series.frames):
        if frame.timeframe.name != values["timeframe"]:
            continue
        series.chunks_written.add((i, chunk))
        for window in map(_load_window, values["windows"]):
            if window.start + frame.timeframe.us < series.floor:
                continue  # forgotten by the hot part, its deletion was not written yet
            # Written before the hot part, so never older than the copy that was still open there.
            frame.windows[window.start] = window
            frame.open.discard(window.start)
