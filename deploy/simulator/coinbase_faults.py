"""PURE. The faults of the fake Coinbase: which can be asked for, and which of them are on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "drop": "cut the connections (how: fin, close or rst) and refuse new ones for `seconds`",
    "silent": "send nothing on the open connections for `seconds`, pongs included; what happens is lost",
    "heartbeats_only": "send heartbeats, but no matches, for `seconds`; what happens is lost",
    "pause": "let nothing happen on the market for `seconds`; heartbeats go on, nothing is lost",
    "burst": "let `symbol` trade `count` times more, as fast as a connection carries it",
    "skip": "do not send the next `count` matches of `symbol`; REST has them",
    "swap": "let the next `count` pairs of matches of `symbol` change places",
    "repeat": "send each match twice, for `seconds`",
    "zero": "heartbeats tell last_trade_id 0 for `seconds`",
    "malformed": "send one frame that is no JSON",
    "unknown": "send one frame of a type that nobody documents",
    "bad_price": "send the next match of `symbol` with a negative price; REST has the right one",
    "error": "send an error frame of `message`",
    "slow_consume": "send ErrSlowConsume and close",
    "refuse": "answer handshakes with HTTP `status` (and retry_after, in s) for `seconds`",
    "rest": "answer REST with HTTP `status` (and retry_after, in s) for `seconds`",
}
ONCE = ("malformed", "unknown", "error", "slow_consume")
_COUNTED = ("burst", "skip", "swap", "bad_price")
_DEFAULTS: dict[str, Any] = {
    "seconds": 5.0,
    "count": 1,
    "symbol": "BTC-USD",
    "how": "fin",
    "status": 503,
    "retry_after": None,
    "message": "internal error",
}


def parse_fault(body: Any) -> dict[str, Any]:
    """Return the fault asked for, with defaults.

    Raises:
        ValueError: not a known kind, or a field is wrong.
    """
    if not isinstance(body, dict) or body.get("kind") not in KINDS:
        raise ValueError(f'a fault is {{"kind": one of {", ".join(KINDS)}}}')
    unknown = set(body) - set(_DEFAULTS) - {"kind"}
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    fault = {**_DEFAULTS, **body}
    if not isinstance(fault["seconds"], int | float) or not 0 <= fault["seconds"] <= 86_400:
        raise ValueError("seconds: 0 to 86400")
    if not isinstance(fault["count"], int) or not 1 <= fault["count"] <= 100_000:
        raise ValueError("count: 1 to 100000")
    if fault["how"] not in ("fin", "close", "rst"):
        raise ValueError("how: fin, close or rst")
    return fault


@dataclass
class Faults:
    """What is on: until when (seconds of one clock), or for how many more matches of a product."""

    _on: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    _left: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, fault: dict[str, Any], now_s: float) -> None:
        """Switch a fault on, in place of an earlier one of its kind; those of one frame are the caller's."""
        if fault["kind"] in _COUNTED:
            self._left[fault["kind"], fault["symbol"]] = fault["count"]
        elif fault["kind"] not in ONCE:
            self._on[fault["kind"]] = (now_s + fault["seconds"], fault)

    def active(self, kind: str, now_s: float) -> dict[str, Any] | None:
        """Return the fault of `kind` if it is on."""
        until, fault = self._on.get(kind, (0.0, {}))
        return fault if now_s < until else None

    def takes(self, kind: str, symbol: str) -> bool:
        """Tell whether the next match of `symbol` is meant, and count it."""
        return self.take(kind, symbol, 1) == 1

    def take(self, kind: str, symbol: str, most: int) -> int:
        """Return for how many matches of `symbol` it is still on, at most `most`, and count them."""
        taken = min(most, self._left[kind, symbol])
        self._left[kind, symbol] -= taken
        return taken
