"""SHELL (processes, HTTP). A simulated venue as a process: its addresses, its faults, its ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import requests

CALL_S = 60.0


class Venue:
    """`python -m <module> ...`, which prints one JSON line with its addresses when it is ready."""

    def __init__(self, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def fault(self, kind: str, **options: Any) -> None:
        """Begin a fault."""
        answer = requests.post(f"{self.ready['ctl']}/fault", json={"kind": kind, **options}, timeout=CALL_S)
        assert answer.ok, answer.text

    def summary(self) -> dict[str, Any]:
        """Return the sums of the ledger."""
        found: dict[str, Any] = requests.get(f"{self.ready['ctl']}/summary", timeout=CALL_S).json()
        return found

    def ledger(self) -> list[dict[str, Any]]:
        """Return every entry."""
        entries: list[dict[str, Any]] = requests.get(f"{self.ready['ctl']}/ledger", timeout=CALL_S).json()["entries"]
        return entries

    def stop(self) -> int:
        """End it in order and return its exit status."""
        self._process.terminate()
        return self._process.wait(timeout=60)
