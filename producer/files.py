"""SHELL (files). The lines of recordings, plain or gzip."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from producer.errors import FatalError, RemoteError
from producer.run_status import Kind, Plan
from producer.sources.recording import parse

MAX_LINE = 1 << 20
"""Bytes read of one line; what is longer is handed on in pieces of this size, each of which is refused as no JSON."""
_GZIP_MAGIC = b"\x1f\x8b"


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the file's lines, without their ends; gzip is known by its first bytes, not by its name.

    Raises:
        FatalError: the file cannot be read, or its compression is damaged.
    """
    try:
        with _opened(path) as file:
            while line := file.readline(MAX_LINE):
                yield line.rstrip(b"\r\n")
    except (OSError, EOFError, zlib.error) as error:
        raise FatalError(f"{path} cannot be read: {error}") from error


def _opened(path: Path) -> BinaryIO:
    file = path.open("rb")
    magic = file.peek(2)[:2]
    if magic != _GZIP_MAGIC:
        return file
    file.close()
    return cast(BinaryIO, gzip.open(path, "rb"))


def survey_files(paths: Sequence[Path]) -> Plan:
    """Read all files once, before anything is published.

    A run says where each series begins in its first status, and it has to say the same for a shuffled file. A file that
    cannot be read to its end is found here too, while nothing has happened yet.

    Raises:
        FatalError: a file cannot be read.
    """
    earliest: dict[tuple[str, Kind], int] = {}
    count = 0
    for path in paths:
        for line in lines_of(path):
            count += 1
            try:
                row = parse(line)
            except RemoteError:
                continue  # refused, with its reason, when it is read for publishing
            key: tuple[str, Kind] = (row["symbol"], "trades" if row["type"] == "trade" else "quotes")
            event = row["event_time_us"]
            if event < earliest.get(key, event + 1):
                earliest[key] = event
    return Plan(earliest, count)
