"""PURE. The state of consolidated series: ``g|<series>|<hour>``, the words on an hour's minutes; their gaps' beside it.

Written before everything else of a partition: what a series' own state says it has told, its group has heard.
"""

from __future__ import annotations

from typing import Any

import fastavro

from processor.core.consolidated import Word
from processor.core.group_gap_state import dump_gaps, load_gaps
from processor.core.groups import Groups
from processor.core.minutes import Consolidated, Minute
from processor.core.shapes import read, record, write
from schemas.avro import schema_of, without_logical_types
from schemas.records import Candle
from schemas.timeframes import HOUR

PREFIX = b"g|"
_WORD = record(
    "Word",
    series="string",
    version="long",
    lost_us="long",
    cause="string",
    candle=["null", without_logical_types(schema_of(Candle))],
)
_MINUTE = record("Minute", start="long", told="long", words={"type": "array", "items": _WORD})
_HOUR = fastavro.parse_schema(record("Hour", partition="int", minutes={"type": "array", "items": _MINUTE}))


def dump_groups(groups: Groups) -> list[tuple[bytes, bytes | None]]:
    """Return (key, value) of the hours that changed since the last call; None deletes."""
    written: list[tuple[bytes, bytes | None]] = [(key, None) for key in groups.foreign]
    groups.foreign = []
    for group in groups.all:
        for hour in sorted(group.due):
            key = PREFIX + f"{group.name}|{hour}".encode()
            starts = [s for s in range(hour * HOUR, (hour + 1) * HOUR, HOUR // 60) if s in group.minutes]
            if starts:
                minutes = [_dump_minute(s, group.minutes[s]) for s in starts]
                written.append((key, write(_HOUR, {"partition": group.partition, "minutes": minutes})))
                group.written.add(hour)
            elif hour in group.written:
                written.append((key, None))
                group.written.discard(hour)
        group.due = set()
        written += dump_gaps(group.gaps, group.partition)
    return written


def _dump_minute(start: int, minute: Minute) -> dict[str, Any]:
    words = [
        {
            "series": series,
            "version": w.version,
            "lost_us": w.lost_us,
            "cause": w.cause,
            "candle": None if w.candle is None else vars(w.candle),
        }
        for series, w in minute.words.items()
    ]
    return {"start": start, "told": minute.told, "words": words}


def load_groups(groups: Groups, partition: int, state: dict[bytes, bytes]) -> None:
    """Fill `groups` from the changelog's latest records; those of other partitions are ignored.

    Raises:
        SnapshotError: a record is of another version or cannot be read.
    """
    of = {g.name: g for g in groups.all}
    for key, data in state.items():
        if not key.startswith(PREFIX):
            continue
        values = read(_HOUR, data)
        if values["partition"] != partition:
            continue
        name, _, hour = key[len(PREFIX) :].decode().rpartition("|")
        if name in of:
            of[name].written.add(int(hour))
            _load_minutes(of[name], values["minutes"])
        else:
            groups.foreign.append(key)
    groups.foreign += load_gaps({name: group.gaps for name, group in of.items()}, partition, state)


def _load_minutes(group: Consolidated, minutes: list[dict[str, Any]]) -> None:
    for told in minutes:
        minute = group.minutes[told["start"]] = Minute(told=told["told"])
        for w in told["words"]:
            if w["series"] in group.members:
                candle = None if w["candle"] is None else Candle(**w["candle"])
                minute.words[w["series"]] = Word(w["version"], w["lost_us"], w["cause"], candle)
