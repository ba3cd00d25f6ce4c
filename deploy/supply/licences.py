"""PURE. Under which licences a package may be used, out of what it says of itself, and whether that is among the allowed ones.

Three places say it, the first that does counts: the SPDX expression (PEP 639), the trove classifiers, the free text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

ALLOWED = frozenset(
    {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "ISC", "PSF-2.0", "Zlib", "CC0-1.0", "Unlicense", "MPL-2.0"}
)
"""Our choice: permissive ones, and MPL-2.0, which asks for changes of its own files only; we change none. No GPL of any kind."""

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_TEXTS = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "mit license": "MIT",
    "bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
}
READ = {"venusian": "BSD-3-Clause"}
"""Read by a person, for what the package says of itself is no licence's name.

venusian: "BSD-derived (Repoze)", the three clauses of BSD and one that asks to mark changed files.
"""


class Said(NamedTuple):
    """What a package's metadata say."""

    name: str
    expression: str
    classifiers: Sequence[str]
    text: str


def licence(said: Said) -> str:
    """Return an SPDX expression; empty where nothing known is said. Several classifiers are a choice (OR)."""
    if said.name in READ:
        return READ[said.name]
    if said.expression:
        return said.expression
    known = [_CLASSIFIERS[name] for c in said.classifiers if (name := c.rpartition(" :: ")[2]) in _CLASSIFIERS]
    if known:
        return " OR ".join(known)
    text = said.text.strip()
    return _TEXTS.get(text.lower(), text if text in ALLOWED else "")


def allowed(expression: str, allow: Collection[str] = ALLOWED) -> bool:
    """Tell whether an SPDX expression can be met with allowed licences alone; AND binds closer than OR, as SPDX has it."""
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    if not tokens:
        return False
    value, rest = _either(tokens, allow)
    return value and not rest


def _either(tokens: list[str], allow: Collection[str]) -> tuple[bool, list[str]]:
    value, tokens = _both(tokens, allow)
    while tokens and tokens[0] == "OR":
        other, tokens = _both(tokens[1:], allow)
        value = value or other
    return value, tokens


def _both(tokens: list[str], allow: Collection[str]) -> tuple[bool, list[str]]:
    value, tokens = _one(tokens, allow)
    while tokens and tokens[0] == "AND":
        other, tokens = _one(tokens[1:], allow)
        value = value and other
    return value, tokens


def _one(tokens: list[str], allow: Collection[str]) -> tuple[bool, list[str]]:
    if not tokens:
        return False, []
    if tokens[0] == "(":
        value, rest = _either(tokens[1:], allow)
        return (value, rest[1:]) if rest[:1] == [")"] else (False, rest)
    name, rest = tokens[0], tokens[1:]
    if rest[:1] == ["WITH"]:  # an exception only gives more
        rest = rest[2:]
    return name in allow, rest
