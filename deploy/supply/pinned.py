"""PURE. Which packages at which versions a file of pinned requirements names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_LINE = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^ ;\\]+)")


class Pin(NamedTuple):
    """One package; its name in the normal form (PEP 503: lower case, dashes)."""

    name: str
    version: str


def pins(text: str) -> set[Pin]:
    """Return what is pinned; hashes, markers and comments are passed over."""
    found = (_LINE.match(line) for line in text.splitlines())
    return {Pin(normal(m["name"]), m["version"]) for m in found if m}


def normal(name: str) -> str:
    """Return a package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def rounds(wanted: Iterable[Pin]) -> list[list[Pin]]:
    """Return the pins in as few lists as hold each name once: images differ in versions, and a list of requirements may not."""
    found: list[list[Pin]] = []
    seen: dict[str, int] = {}
    for pin in sorted(wanted):
        number = seen[pin.name] = seen.get(pin.name, -1) + 1
        if number == len(found):
            found.append([])
        found[number].append(pin)
    return found
