"""SHELL (Kafka, InfluxDB). Candles into InfluxDB 1: to_influxdb.py <kafka> <registry> <url> <group> <topic>...

A later write of a point replaces an earlier one, and no condition exists. So the writer asks for the versions that the store has
of a batch's windows, and writes only what is newer. That is safe for one writer: run one, for between the question and the write
of two a correction could be lost. Tags are series and timeframe, a point's time is the window's start; every timeframe has
a retention policy of its own, `keep_1m` and so on, which lets go of whole shards, so a little later than to the second.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import requests
from batches import RETENTION, Candle, batches, newest  # type: ignore[import-not-found]  # the file beside this one

DATABASE = "md"
FLOATS = ("open", "high", "low", "close", "volume", "coverage")
WHOLE = ("trade_count", "version")
_TAG = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})
_TEXT = str.maketrans({"\\": "\\\\", '"': '\\"', "'": "\\'"})
Name = tuple[str, str]
"""Series and timeframe."""


class Influx:
    """The two questions that are asked of the server."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._policies: set[str] = set()
        self._ask(f'CREATE DATABASE "{DATABASE}"')

    def versions(self, names: dict[Name, list[int]]) -> dict[tuple[Name, int], int]:
        """Return the versions that the store has of these windows: starts in milliseconds by series and timeframe."""
        asked = list(names)
        for _, timeframe in asked:
            self._keep(timeframe)
        questions = [
            f'SELECT "version" FROM "keep_{timeframe}"."candles" WHERE "series" = \'{series.translate(_TEXT)}\' '  # noqa: S608
            f"AND \"timeframe\" = '{timeframe}' AND time >= {min(starts)}ms AND time <= {max(starts)}ms"
            for (series, timeframe), starts in names.items()
        ]
        found = {}
        for name, result in zip(asked, self._ask("; ".join(questions)), strict=True):
            for start, version in result.get("series", [{"values": []}])[0]["values"]:
                found[name, start] = version
        return found

    def write(self, timeframe: str, candles: Sequence[Candle]) -> None:
        """Write candles of one timeframe, after its versions were asked for."""
        where = {"db": DATABASE, "rp": f"keep_{timeframe}", "precision": "ms"}
        body = "\n".join(map(line, candles)).encode()
        answer = self._http.post(f"{self._url}/write", params=where, data=body, timeout=10)
        answer.raise_for_status()

    def _keep(self, timeframe: str) -> None:
        if timeframe not in self._policies:
            kept = RETENTION.get(timeframe)
            duration = f"{kept.days}d" if kept else "INF"
            self._ask(f'CREATE RETENTION POLICY "keep_{timeframe}" ON "{DATABASE}" DURATION {duration} REPLICATION 1')
            self._policies.add(timeframe)

    def _ask(self, query: str) -> list[dict[str, Any]]:
        where = {"db": DATABASE, "epoch": "ms"}
        answer = self._http.post(f"{self._url}/query", params=where, data={"q": query}, timeout=10)
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()["results"]
        errors = [r["error"] for r in results if "error" in r]
        if errors:
            raise RuntimeError(errors[0])
        return results


def line(candle: Candle) -> str:
    """Return a candle in the line protocol."""
    tags = f"series={candle['series'].translate(_TAG)},timeframe={candle['timeframe']}"
    values = [f"{f}={candle[f]!r}" for f in FLOATS] + [f"{f}={candle[f]}i" for f in WHOLE]
    return f'candles,{tags} {",".join(values)},gap_cause="{candle["gap_cause"]}" {milliseconds(candle["start"])}'


def milliseconds(moment: datetime) -> int:
    """Return a moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def main() -> None:
    """Write until stopped."""
    kafka, registry, url, group, *topics = sys.argv[1:]
    store = Influx(url)
    for batch in batches(kafka, registry, topics, group):
        candles = newest(batch)
        names: dict[Name, list[int]] = {}
        for c in candles:
            names.setdefault((c["series"], c["timeframe"]), []).append(milliseconds(c["start"]))
        if not names:
            continue
        known = store.versions(names)
        news: dict[str, list[Candle]] = {}
        for c in candles:
            window = (c["series"], c["timeframe"]), milliseconds(c["start"])
            if c["version"] > known.get(window, -1):
                news.setdefault(c["timeframe"], []).append(c)
        for timeframe, some in news.items():
            store.write(timeframe, some)


if __name__ == "__main__":
    main()
