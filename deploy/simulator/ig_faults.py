"""PURE. The faults that the fake IG can be asked for."""

from __future__ import annotations

from typing import Any

KINDS = {
    "cut": "cut every stream (how: fin, close or rst) and accept none for `seconds`; without `recover` sessions are forgotten",
    "silent": "write nothing on the streams for `seconds`, keep-alive included; it comes later",
    "loop": "ask every client to bind its session again, `times` times, `seconds` apart",
    "end": "end every session with `code`",
    "conerr": "refuse new sessions with `code` for `seconds`",
    "overflow": "drop `times` updates of `epic` (any, if empty) and say so",
    "pause": "let nothing happen on the market for `seconds`",
    "closed": "close every market for `seconds`: DLG_FLAG says so, and nothing moves",
    "no_websocket": "answer WebSocket handshakes with 503 for `seconds`",
    "malformed": "send one update that breaks the protocol, on every session: the official client ends there",
    "bad_price": "send one update of `epic` (any, if empty) whose bid is no number",
    "invalidate": "make every token invalid; streams go on",
    "rest": "answer every REST request with `code` (an HTTP status) for `seconds`",
    "allowance": "leave `times` points of the week's allowance",
}
_DEFAULTS: dict[str, Any] = {"seconds": 0.0, "how": "fin", "recover": True, "code": 48, "times": 1, "epic": ""}


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
    if not isinstance(fault["times"], int) or not 0 <= fault["times"] <= 100_000:
        raise ValueError("times: 0 to 100000")
    if fault["how"] not in ("fin", "close", "rst"):
        raise ValueError("how: fin, close or rst")
    if not isinstance(fault["code"], int) or not isinstance(fault["recover"], bool) or not isinstance(fault["epic"], str):
        raise ValueError("code: a number, recover: true or false, epic: a text")
    return fault
