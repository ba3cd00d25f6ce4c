"""PURE. The faults that can be asked for, and which of them are on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

KINDS = {
    "drop": "cut the connection (how: fin, close or rst) and refuse new ones for `seconds`",
    "silent": "send nothing on the open connections for `seconds`, pings and pongs included; what happens is lost",
    "pings_only": "send pings and pongs, but no trades, for `seconds`; what happens is lost",
    "pause": "let nothing happen on the market for `seconds`; pings go on, nothing is lost",
    "repeat": "send each frame `times` times, for `seconds`",
    "shuffle": "give trades times up to `spread_ms` back, out of order, for `seconds`",
    "malformed": "send one frame that is no JSON",
    "bad_price": "send one trade of negative price among good ones",
    "stranger": "send one trade of a symbol that nobody asked for, whose name is longer than a message of Kafka's may be",
    "refuse": "answer handshakes with HTTP `status` (and retry_after, in s) for `seconds`",
    "rest_refuse": "answer candle requests (of one `market` alone: stock, crypto, forex) with HTTP `status` for `seconds`",
    "rest_cut": "answer candle requests with the newest `minutes` alone for `seconds`",
    "rest_flap": "answer every other candle request of a symbol with no_data for `seconds`",
    "rest_text": "answer candle requests with a text instead of JSON for `seconds`",
}
_DEFAULTS: dict[str, Any] = {
    "seconds": 5.0,
    "times": 3,
    "spread_ms": 5000,
    "how": "fin",
    "status": 503,
    "retry_after": None,
    "minutes": 60,
    "market": None,
}
_ONCE = ("malformed", "bad_price", "stranger")


def parse_fault(body: Any) -> dict[str, Any]:
    """Return the fault asked for, with defaults.

    Raises:
        ValueError: not a known kind, or a field is wrong.
    """
    if not isinstance(body, dict) or body.get("kind") not in KINDS:
        raise ValueError(f'a fault is {{"kind": one of {", ".join(KINDS)}}}')
    fault = {**_DEFAULTS, **body}
    unknown = set(body) - set(_DEFAULTS) - {"kind"}
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    if not isinstance(fault["seconds"], int | float) or not 0 <= fault["seconds"] <= 86_400:
        raise ValueError("seconds: 0 to 86400")
    if not isinstance(fault["times"], int) or not 1 <= fault["times"] <= 100:
        raise ValueError("times: 1 to 100")
    if not isinstance(fault["spread_ms"], int) or not 0 <= fault["spread_ms"] <= 3_600_000:
        raise ValueError("spread_ms: 0 to 3600000")
    if not isinstance(fault["minutes"], int) or not 1 <= fault["minutes"] <= 44_640:
        raise ValueError("minutes: 1 to 44640")
    if fault["how"] not in ("fin", "close", "rst"):
        raise ValueError("how: fin, close or rst")
    return fault


@dataclass
class Faults:
    """What is on, until when; seconds of one clock."""

    _on: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    _once: list[str] = field(default_factory=list)

    def add(self, fault: dict[str, Any], now_s: float) -> None:
        """Switch a fault on, in place of an earlier one of its kind."""
        if fault["kind"] in _ONCE:
            self._once.append(fault["kind"])
        else:
            self._on[fault["kind"]] = (now_s + fault["seconds"], fault)

    def active(self, kind: str, now_s: float) -> dict[str, Any] | None:
        """Return the fault of `kind` if it is on."""
        until, fault = self._on.get(kind, (0.0, {}))
        return fault if now_s < until else None

    def take_once(self) -> list[str]:
        """Return the single frames asked for since the last call."""
        once, self._once = self._once, []
        return once
