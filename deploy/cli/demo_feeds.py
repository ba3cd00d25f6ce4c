"""PURE. The feeds that the demo can show: their simulators, what their producers are told, and how their ledgers are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deploy.cli.account import Generated, Identity
from deploy.simulator.coinbase_book import LISTINGS as PRODUCTS
from deploy.simulator.ig_market import EPICS
from deploy.simulator.market import LISTINGS
from schemas.records import Price, series_of

WORD = "simulator"
"""The key, user and password that the simulators ask for; it protects nothing."""
_QUICK = {"CANDLEWICK_BACKOFF_MAX_S": "1"}  # our choice: the demo has a minute; a real provider is left alone for longer
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Feed:
    """One source of the demo.

    Attributes:
        source: the first part of its series, and the provider's name.
        kind: what its records are.
        module: the simulator; it takes ``--port``.
        symbols: what the producer subscribes.
        busy: the one of them that moves most.
        settings: from the simulator's address (``127.0.0.1:1234``) to the producer's settings.
        outage: the fault that cuts the line; its seconds come with it.
        read: one entry of the ledger -> the record that it became, None where it counts for nothing.
    """

    source: str
    kind: Literal["trades", "quotes"]
    module: str
    symbols: tuple[str, ...]
    busy: str
    settings: Callable[[str], dict[str, str]]
    outage: Mapping[str, Any]
    read: Callable[[Entry], Generated | None]

    @property
    def price(self) -> Price:
        """Which series holds every record of it."""
        return "trade" if self.kind == "trades" else "mid"

    @property
    def busy_series(self) -> str:
        """The series that moves most."""
        return series_of(self.source, self.busy, self.price)


def _finnhub(address: str) -> dict[str, str]:
    return {
        "FINNHUB_URL": f"ws://{address}",
        "FINNHUB_REST_URL": f"http://{address}/api/v1",
        "FINNHUB_TOKEN": WORD,
        "FINNHUB_SYMBOLS": ",".join(FEEDS["finnhub"].symbols),
        "FINNHUB_CANDLE_DELAY_S": "1",  # the simulator's candles are there at once
        **_QUICK,
    }


def _coinbase(address: str) -> dict[str, str]:
    return {
        "COINBASE_URL": f"ws://{address}",
        "COINBASE_REST_URL": f"http://{address}",
        "COINBASE_SYMBOLS": ",".join(FEEDS["coinbase"].symbols),
        **_QUICK,
    }


def _ig(address: str) -> dict[str, str]:
    return {
        "IG_URL": f"http://{address}/gateway/deal",
        "IG_IDENTIFIER": WORD,
        "IG_PASSWORD": WORD,
        "IG_API_KEY": WORD,
        "IG_EPICS": ",".join(FEEDS["ig"].symbols),
        "IG_CANDLE_DELAY_S": "1",
        "IG_REQUESTS_A_MINUTE": "30",
        **_QUICK,
    }


def _print(entry: Entry) -> Generated | None:
    price, size = float(entry["p"]), float(entry["v"])
    if not size:
        return None  # a price update is no trade
    # Coinbase tells microseconds, Finnhub milliseconds.
    event_us = entry.get("time_us") or entry["t"] * 1000
    return Generated(Identity(entry["symbol"], event_us, (price, size)), entry["sent_us"] or None)


def _quote(entry: Entry) -> Generated | None:
    if entry["kind"] != "price":
        return None
    sides = float(entry["bid"]), float(entry["ask"]), float(entry["bid_size"] or 0), float(entry["ask_size"] or 0)
    return Generated(Identity(entry["epic"], entry["t"] * 1000, sides), entry["sent_us"] or None)


FEEDS: dict[str, Feed] = {
    feed.source: feed
    for feed in (
        Feed(
            "finnhub",
            "trades",
            "deploy.simulator",
            tuple(listing.symbol for listing in LISTINGS),
            max(LISTINGS, key=lambda listing: listing.per_second).symbol,
            _finnhub,
            {"kind": "drop"},
            _print,
        ),
        Feed(
            "ig",
            "quotes",
            "deploy.simulator.ig",
            tuple(epic.name for epic in EPICS),
            max(EPICS, key=lambda epic: epic.per_second).name,
            _ig,
            {"kind": "cut", "recover": False},
            _quote,
        ),
        Feed(
            "coinbase",
            "trades",
            "deploy.simulator.coinbase",
            tuple(listing.symbol for listing in PRODUCTS),
            max(PRODUCTS, key=lambda listing: listing.per_second).symbol,
            _coinbase,
            {"kind": "drop"},
            _print,
        ),
    )
}


def chosen(names: str) -> list[Feed]:
    """Return the feeds that a comma-separated list names, each once, in its order.

    Raises:
        ValueError: none, or one that is not known.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in FEEDS]
    if unknown or not wanted:
        raise ValueError(
            f"feeds are {', '.join(FEEDS)}, separated by commas" + (f"; not {', '.join(unknown)}" if unknown else "")
        )
    return [FEEDS[name] for name in dict.fromkeys(wanted)]
