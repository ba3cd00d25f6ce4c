"""SHELL (files). The account of a run, left in its home for the page: what was sent, what became of it, whether that adds up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

BALANCES = "balances"
"""Under this name an account says whether it adds up; everything else in it is shown as it is."""


def kept_in(home: Path) -> Path:
    """Return the file of the account of a home."""
    return home / "account.json"


def leave(home: Path, account: Mapping[str, Any], *, balances: bool) -> None:
    """Leave an account for the page; it replaces the one that is there, all at once."""
    file = kept_in(home)
    part = file.with_suffix(".part")
    part.write_text(json.dumps({**account, BALANCES: balances}), encoding="utf-8")
    part.replace(file)


def forget(home: Path) -> None:
    """Take away the account of an earlier run."""
    kept_in(home).unlink(missing_ok=True)


def read(file: Path) -> dict[str, Any] | None:
    """Return what was left, or None where there is nothing, or nothing that could be one."""
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None
    return None
