"""SHELL (HTTP). A simulated venue as the demo sees it: its ledger, and its faults."""

from __future__ import annotations

import sys
from typing import Any

import requests

from deploy.cli.account import Generated
from deploy.cli.demo_feeds import Feed
from deploy.local import ports

_CALL_S = 10.0
_FOR_GOOD_S = 86_400.0


class Venue:
    """The simulator of a feed, on loopback."""

    def __init__(self, feed: Feed, port: int) -> None:
        self.feed = feed
        self.port = port
        self._control = f"http://{ports.LOOPBACK}:{port}/_ctl"

    @property
    def command(self) -> list[str]:
        """The command that starts it."""
        return [sys.executable, "-m", self.feed.module, "--port", str(self.port)]

    @property
    def settings(self) -> dict[str, str]:
        """What leads the feed's producer to it."""
        return self.feed.settings(f"{ports.LOOPBACK}:{self.port}")

    def drop(self, seconds: float) -> None:
        """Cut the connection and refuse new ones for a while."""
        self._fault({**self.feed.outage, "seconds": seconds})

    def pause(self) -> None:
        """Let nothing happen any more."""
        self._fault({"kind": "pause", "seconds": _FOR_GOOD_S})

    def _fault(self, fault: dict[str, Any]) -> None:
        answer = requests.post(f"{self._control}/fault", json=fault, timeout=_CALL_S)
        answer.raise_for_status()

    def ledger(self) -> list[Generated]:
        """Return every trade or quote that it generated, in order, up to the last that it delivered."""
        answer = requests.get(f"{self._control}/ledger", timeout=_CALL_S)
        answer.raise_for_status()
        entries: list[dict[str, Any]] = answer.json()["entries"]
        last = max((n for n, entry in enumerate(entries) if entry["sent_us"]), default=-1)
        return [found for entry in entries[: last + 1] if (found := self.feed.read(entry)) is not None]
