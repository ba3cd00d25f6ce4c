"""PURE. What a dead letter says of itself, and whether sending its bytes again can do any good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

CURABLE = frozenset({"unknown_schema", "refused_by_store", "unknown_timeframe"})
"""Reasons that lie outside of the bytes: a registry that had lost a schema, a store that would not take a row or lacked a table.

All others are a judgement of the bytes themselves, which the same service will pass again.
"""
_PREFIX = "__connect.errors."


@dataclass(frozen=True)
class Letter:
    """One message of the dead letter topic: where it stands, when it was sent (ms UTC), and what was refused."""

    partition: int
    offset: int
    sent_ms: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return how commands speak of it: ``partition:offset``."""
        return f"{self.partition}:{self.offset}"

    @property
    def reason(self) -> str:
        """Return the short word for why it was refused."""
        return self.headers.get("reason", "")

    @property
    def detail(self) -> str:
        """Return the words of the service that refused it."""
        return self.headers.get(f"{_PREFIX}exception.message", "")

    @property
    def service(self) -> str:
        """Return who refused it, without a version."""
        return (self.headers.get("service") or "?").partition(" ")[0]

    @property
    def origin(self) -> tuple[str, int, int] | None:
        """Return topic, partition and offset it was read from; None for what never was a message (a provider's frame)."""
        try:
            partition, offset = (int(self.headers[f"{_PREFIX}{name}"]) for name in ("partition", "offset"))
            return self.headers[f"{_PREFIX}topic"], partition, offset
        except (KeyError, ValueError):
            return None

    @property
    def source_text(self) -> str:
        """Return, for people, where it came from."""
        origin = self.origin
        return "{} {}:{}".format(*origin) if origin else self.headers.get("origin", "?")


class Why(Enum):
    """Why a letter is not sent again; those of `FORCEABLE` may be overruled."""

    NO_ORIGIN = "it never was a message: a provider's own bytes, kept to be looked at"
    CUT = "its bytes were too long and are not all there"
    FOREIGN = "its topic is not one that these services read"
    TAKEN = "the processor has taken it; a second time it would count twice"
    STATUS = "a feed status is knowledge of its moment; the next one has replaced it"
    REPEAT = "another letter holds the same message; that one counts"
    SENT = "it was sent again before"
    RETURNED = "it was sent again before, and refused again"
    AT_FAULT = "its own bytes are at fault: they would come back"


FORCEABLE = frozenset({Why.RETURNED, Why.AT_FAULT})


def judged(letters: Iterable[Letter], inputs: Collection[str], outputs: Collection[str], statuses: str) -> dict[str, Why | None]:
    """Return for each letter why it should not be sent again, or None where that can do good.

    The letters themselves are the memory: a message that was sent again and refused again is on the topic twice, with the same
    key and bytes from two offsets. A letter that a service wrote twice (after a crash) has one and the same origin.

    Args:
        letters: everything on the topic, not a choice of it: a part would not show what came back.
        inputs: the topics that the processor reads, and for the raw rows the sink too.
        outputs: the topics that only the sink reads, and for which the highest version wins.
        statuses: the topic of feed statuses.
    """
    letters = sorted(letters, key=lambda a: (a.sent_ms, a.partition, a.offset))
    last = {letter.origin: letter for letter in letters}
    same = Counter(_content(letter) for letter in last.values() if letter.origin)
    newest = {_content(letter): letter for letter in last.values()}

    def why(letter: Letter) -> Why | None:
        if letter.origin is None:
            return Why.NO_ORIGIN
        topic = letter.origin[0]
        if "original_bytes" in letter.headers:
            return Why.CUT
        if topic == statuses:
            return Why.STATUS
        if topic not in inputs and topic not in outputs:
            return Why.FOREIGN
        if topic in inputs and letter.service == "sink":
            return Why.TAKEN
        if last[letter.origin] is not letter or newest[_content(letter)] is not letter:
            return Why.REPEAT
        if same[_content(letter)] > 1:
            return Why.RETURNED
        return None if letter.reason in CURABLE else Why.AT_FAULT

    return {letter.name: why(letter) for letter in letters}


def _content(letter: Letter) -> tuple[str, int, bytes | None, bytes | None]:
    topic, partition, _ = letter.origin or ("", -1, -1)
    return topic, partition, letter.key, letter.value
