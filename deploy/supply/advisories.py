"""PURE. What pip-audit found, out of its JSON."""

from __future__ import annotations

import json
from typing import NamedTuple


class Finding(NamedTuple):
    """One known vulnerability of a package that is pinned."""

    name: str
    version: str
    id: str
    fixed_in: tuple[str, ...]

    def line(self) -> str:
        """Return it for people."""
        remedy = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fixed version is known"
        return f"{self.name} {self.version}: {self.id}, {remedy}"


class NotAskedError(Exception):
    """The database was not asked to the end; the text says what is known of why."""


def findings(output: str, complaints: str) -> list[Finding]:
    """Return every vulnerability in pip-audit's report.

    Args:
        output: its standard output with ``--format json``.
        complaints: its standard error, of which the last line names what went wrong.

    Raises:
        NotAskedError: there is no report, or a package is not in it: nothing is known then, not that all is well.
    """
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = complaints.strip().splitlines()
        raise NotAskedError(lines[-1].strip() if lines else "pip-audit printed no report") from None
    skipped = [f"{p['name']}: {p['skip_reason']}" for p in packages if "skip_reason" in p]
    if skipped:
        raise NotAskedError("; ".join(skipped[:3]))
    return [
        Finding(p["name"], p["version"], v["id"], tuple(v.get("fix_versions") or ()))
        for p in packages
        for v in p.get("vulns", ())
    ]
