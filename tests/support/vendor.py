"""SHELL (processes, HTTP). The Finnhub producer with its simulated vendor: what was asked, what was counted, what is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from schemas.codec import Decoder
from schemas.records import Record
from schemas.registry import Registry
from schemas.topics import Topic
from tests.support.published import messages
from tests.support.services import Service
from tests.support.stack import Space
from tests.support.venue import CALL_S, Venue

R = TypeVar("R", bound=Record)
KEY = "a-marker-that-no-log-may-hold"
S = 1_000_000
Row = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""


@contextmanager
def vendor() -> Iterator[Venue]:
    """Yield a simulated Finnhub whose key is `KEY`."""
    made = Venue("deploy.simulator", "--seed", "7", "--token", KEY)
    yield made
    assert made.stop() == 0


@contextmanager
def producers(space: Space, venue: Venue, folder: Path) -> Iterator[Callable[..., Service]]:
    """Yield a function (settings) -> a running Finnhub producer; all are ended afterwards."""
    made: list[Service] = []
    feed = {"FINNHUB_URL": venue.ready["ws"], "FINNHUB_REST_URL": venue.ready["rest"], "FINNHUB_TOKEN": KEY}

    def start(**settings: str) -> Service:
        service = Service("producer", {**space.env, **feed, **settings}, folder, "finnhub")
        made.append(service.start())
        return service

    yield start
    for service in made:
        service.discard()


def asked(venue: Venue) -> list[dict[str, Any]]:
    """Return the candle requests so far, oldest first."""
    found: list[dict[str, Any]] = requests.get(f"{venue.ready['ctl']}/requests", timeout=CALL_S).json()["requests"]
    return found


def candles(venue: Venue, symbol: str, start_us: int, end_us: int) -> dict[int, Row]:
    """Return what the vendor says of [start, end), by start; both microseconds. It counts as a request."""
    kind = "stock" if ":" not in symbol else "crypto"
    query: dict[str, str | int] = {
        "symbol": symbol,
        "resolution": "1",
        "from": start_us // S,
        "to": end_us // S - 60,
        "token": KEY,
    }
    reply = requests.get(f"{venue.ready['rest']}/{kind}/candle", params=query, timeout=CALL_S).json()
    return {t * S: tuple(row) for t, *row in zip(*(reply[name] for name in "tohlcv"), strict=True)}


def counted(service: Service, name: str) -> float:
    """Return a metric of a producer, summed over its labels; 0 where its pages are not open (yet)."""
    said = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    ports = [line["port"] for line in said if line["event"] == "metrics.opened"]
    if not ports:
        return 0.0
    try:
        text = requests.get(f"http://127.0.0.1:{ports[-1]}/metrics", timeout=CALL_S).text
    except requests.ConnectionError:
        return 0.0  # the port of a run before, whose log goes on in the same file
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(f"candlewick_producer_{name}")]
    return sum(float(value) for _, _, value in lines)


def records_of(space: Space, topic: Topic, record: type[R]) -> list[R]:
    """Return every record of a topic."""
    decode = Decoder(record, Registry(space.registry).schema_by_id)
    return [decode(message.value()) for message in messages(space, topic)]
