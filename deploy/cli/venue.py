"""SHELL (HTTP). The simulated venue as the demo sees it: what it trades, its ledger, and its faults."""

from __future__ import annotations

import sys
from typing import Any

import requests

from deploy.cli.account import Generated, Identity
from deploy.local import ports
from deploy.simulator.market import LISTINGS

SOURCE = "finnhub"
TOKEN = "simulator"  # noqa: S105 - the word that the simulator asks for; it protects nothing
_CALL_S = 10.0
_FOR_GOOD_S = 86_400.0


class Venue:
    """A simulator on loopback."""

    SYMBOLS = tuple(listing.symbol for listing in LISTINGS)
    BUSY = max(LISTINGS, key=lambda listing: listing.per_second).symbol

    def __init__(self, port: int) -> None:
        self._control = f"http://{ports.LOOPBACK}:{port}/_ctl"

    @staticmethod
    def command(port: int) -> list[str]:
        """Return the command that starts it."""
        return [sys.executable, "-m", "deploy.simulator", "--port", str(port), "--token", TOKEN]

    def drop(self, seconds: float) -> None:
        """Cut the connection and refuse new ones for a while."""
        self._fault("drop", seconds)

    def pause(self) -> None:
        """Let nothing happen any more."""
        self._fault("pause", _FOR_GOOD_S)

    def _fault(self, kind: str, seconds: float) -> None:
        answer = requests.post(f"{self._control}/fault", json={"kind": kind, "seconds": seconds}, timeout=_CALL_S)
        answer.raise_for_status()

    def ledger(self) -> list[Generated]:
        """Return everything it generated, in order, up to the last that it delivered."""
        answer = requests.get(f"{self._control}/ledger", timeout=_CALL_S)
        answer.raise_for_status()
        entries: list[dict[str, Any]] = answer.json()["entries"]
        last = max((n for n, entry in enumerate(entries) if entry["sent_us"]), default=-1)
        return [
            Generated(Identity(e["symbol"], e["t"] * 1000, float(e["p"]), float(e["v"])), e["sent_us"] or None)
            for e in entries[: last + 1]
        ]
