"""PURE. IG's streaming items: their names, what a subscription has to ask for, and the rows of their fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.simulator.ig_market import Move, text

HEARTBEAT = "TRADE:HB.U.HEARTBEAT.IP"
Row = list[str | None]


@dataclass(frozen=True)
class Item:
    """An item's name, taken apart; `mode` and `adapter` are what a subscription of it has to name."""

    kind: str
    epic: str
    account: str = ""
    mode: str = "MERGE"
    adapter: str = ""


def parse_item(name: str) -> Item:
    """Return the parts of ``PRICE:<account>:<epic>``, ``CHART:<epic>:TICK``, or whatever else stands before and behind colons."""
    parts = name.split(":")
    if parts[0] == "PRICE" and len(parts) == 3:
        return Item("PRICE", parts[2], parts[1], adapter="Pricing")
    if parts[0] == "CHART" and len(parts) == 3 and parts[2] == "TICK":
        return Item("CHART", parts[1], mode="DISTINCT")
    return Item(parts[0], parts[-1])


def flag(*, closed: bool) -> str:
    """Return the dealing flag, padded as IG pads it."""
    return "CLOSED  " if closed else "DEAL    "


def price_row(move: Move, t: int, digits: int, fields: Sequence[str], *, closed: bool, bad: bool) -> Row:
    """Return a price item's values; ``t`` in milliseconds UTC, `bad` makes the bid no number."""
    known = {
        "BIDPRICE1": "n/a" if bad else text(move.bid, digits),
        "ASKPRICE1": text(move.ask, digits),
        "BIDSIZE1": text(move.bid_size, 2),
        "ASKSIZE1": text(move.ask_size, 2),
        "TIMESTAMP": str(t),
        "DLG_FLAG": flag(closed=closed),
        "DELAY": "0",
        "CURRENCY0": "GBP",
    }
    return _in_order(known, fields)


def tick_row(move: Move, t: int, digits: int, fields: Sequence[str], *, day_volume: float) -> Row:
    """Return a tick's values; ``t`` in milliseconds UTC."""
    known = {
        "BID": text(move.bid, digits),
        "OFR": text(move.ask, digits),
        "LTP": text(move.ltp, digits),
        "LTV": text(move.ltv, 2),
        "TTV": text(day_volume, 2),
        "UTM": str(t),
    }
    return _in_order(known, fields)


def beat_row(t: int, fields: Sequence[str]) -> Row:
    """Return the heartbeat's values; ``t`` in milliseconds UTC."""
    return _in_order({"HEARTBEAT": str(t)}, fields)


def _in_order(known: Mapping[str, str | None], fields: Sequence[str]) -> Row:
    return [known.get(name) for name in fields]
