"""PURE. The state of consolidated series' gaps: ``h|<series>|<hour>`` as told, ``u|<series>|<hour>|<version>`` the journal.

A worker that dies after its outputs and before its state has told gaps that nobody remembers. So their identities are in the
changelog before they are sent, each telling under a key of its own, and leave it with the next state. Restored, such a gap is
told once more as soon as as much is known of its hour: with the same version and content, or with a higher one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import fastavro

from processor.core.group_gaps import GroupGaps, Told
from processor.core.groups import Groups
from processor.core.shapes import read, record, write

HOUR_PREFIX = b"h|"
NEWS_PREFIX = b"u|"
_GAP = record("GroupGap", start="long", cause="string", end=["null", "long"], series="string", version="long")
_HOUR = fastavro.parse_schema(record("GapsOfHour", partition="int", first="long", gaps={"type": "array", "items": _GAP}))
_NAMED = record("GapNamed", start="long", cause="string")
_NEWS = fastavro.parse_schema(record("GapNews", partition="int", version="long", gaps={"type": "array", "items": _NAMED}))


def dump_news(groups: Groups) -> list[tuple[bytes, bytes | None]]:
    """Return the records of what was told since the last call: to be written before the gaps themselves."""
    written: list[tuple[bytes, bytes | None]] = []
    for group in groups.all:
        gaps = group.gaps
        for news in gaps.news:
            key = NEWS_PREFIX + f"{group.name}|{news.hour}|{news.version}".encode()
            named = [{"start": start, "cause": cause} for start, cause in news.gaps]
            written.append((key, write(_NEWS, {"partition": group.partition, "version": news.version, "gaps": named})))
            gaps.journaled.append(key)
        gaps.news = []
    return written


def dump_gaps(gaps: GroupGaps, partition: int) -> list[tuple[bytes, bytes | None]]:
    """Return (key, value) of the hours that changed since the last call, then the journal's end; None deletes."""
    written: list[tuple[bytes, bytes | None]] = []
    for hour in sorted(gaps.unwritten):
        key = HOUR_PREFIX + f"{gaps.name}|{hour}".encode()
        if hour in gaps.told:
            told = [{"start": start, "cause": cause, **vars(t)} for (start, cause), t in gaps.told[hour].items()]
            written.append((key, write(_HOUR, {"partition": partition, "first": gaps.first, "gaps": told})))
            gaps.written.add(hour)
        elif hour in gaps.written:
            written.append((key, None))
            gaps.written.discard(hour)
    gaps.unwritten = set()
    written += [(key, None) for key in gaps.journaled]
    gaps.journaled = []
    return written


def load_gaps(of: Mapping[str, GroupGaps], partition: int, state: Mapping[bytes, bytes]) -> list[bytes]:
    """Fill the gaps of consolidated series, by name, from the changelog's latest records; those of other partitions are ignored.

    Returns:
        The keys that belong to none of them.

    Raises:
        SnapshotError: a record is of another version or cannot be read.
    """
    foreign: list[bytes] = []
    for key, data in state.items():
        if key.startswith(HOUR_PREFIX):
            values = read(_HOUR, data)
            name, _, hour = key[len(HOUR_PREFIX) :].decode().rpartition("|")
            if values["partition"] != partition:
                continue
            if name in of:
                _load_hour(of[name], int(hour), values)
            else:
                foreign.append(key)
    for key, data in state.items():
        if key.startswith(NEWS_PREFIX):
            values = read(_NEWS, data)
            name, hour, _ = key[len(NEWS_PREFIX) :].decode().rsplit("|", 2)
            if values["partition"] != partition:
                continue
            if name in of:
                _load_news(of[name], key, int(hour), values)
            else:
                foreign.append(key)
    return foreign


def _load_hour(gaps: GroupGaps, hour: int, values: dict[str, Any]) -> None:
    gaps.first = min(gaps.first, values["first"])
    gaps.written.add(hour)
    gaps.told[hour] = {(g["start"], g["cause"]): Told(g["end"], g["series"], g["version"]) for g in values["gaps"]}


def _load_news(gaps: GroupGaps, key: bytes, hour: int, values: dict[str, Any]) -> None:
    gaps.journaled.append(key)
    told = gaps.told.setdefault(hour, {})
    for named in values["gaps"]:
        identity = named["start"], named["cause"]
        if identity not in told or told[identity].version < values["version"]:
            told[identity] = Told(None, "", values["version"])
    gaps.unwritten.add(hour)
    gaps.due.add(hour)
    gaps.first = min(gaps.first, *(start for start, _ in told))  # they lie after it
