"""PURE. Lightstreamer's text protocol (TLCP 2.4 and 2.5) as a server speaks it: requests in, a session's numbered lines out.

A session keeps its data lines, numbered from 0, for as long as they may be asked for again: that is all recovery is.
Source: the protocol's public specification, and what the official Python client sends and accepts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

T = TypeVar("T")
Values = Sequence[str | None]
MAX_LOG = 20_000  # lines kept for recovery; an older one cannot be asked for again


@dataclass(frozen=True)
class Request:
    """One line of parameters of a request, such as ``control`` with ``LS_op=add``."""

    name: str
    parameters: dict[str, str]

    def get(self, name: str, default: str = "") -> str:
        """Return a parameter."""
        return self.parameters.get(name, default)


def parse_lines(name: str, text: str) -> list[Request]:
    """Return the requests of a body: one a line, for controls may come in batches; none is one without parameters."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line] or [""]
    return [Request(name, dict(parse_qsl(line, keep_blank_values=True))) for line in lines]


def parse_frame(text: str) -> list[Request]:
    """Return the requests of one WebSocket frame: the name on the first line, parameters on the others."""
    name, _, rest = text.partition("\r\n")
    return parse_lines(name.strip(), rest)


def encode_row(values: Values, before: Values | None) -> str:
    """Return the values of one update as the protocol writes them; `before` is the item's row so far, None for the first.

    Unchanged is empty, null is ``#``, an empty text is ``$``, and ``^n`` stands for n > 1 unchanged ones.
    """
    tokens: list[str] = []
    unchanged = 0
    for index, value in enumerate(values):
        if before is not None and value == before[index]:
            unchanged += 1
            continue
        tokens += _skipped(unchanged)
        unchanged = 0
        tokens.append(_encoded(value))
    return "|".join([*tokens, *_skipped(unchanged)])


def _skipped(count: int) -> list[str]:
    return [f"^{count}"] if count > 1 else [""] * count


def _encoded(value: str | None) -> str:
    if value is None:
        return "#"
    if value == "":
        return "$"
    text = value.replace("%", "%25")
    for char, code in (("|", "%7C"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(char, code)
    return f"%{ord(text[0]):02X}{text[1:]}" if text[0] in "#$^" else text


@dataclass
class Subscribed:
    """One subscription of a session: its item, its fields, and the row that the client holds."""

    number: int
    item: str
    fields: tuple[str, ...]
    mode: str
    row: Values | None = None


@dataclass
class Session(Generic[T]):
    """One session; `T` is what its owner wants to know again when a line is written (an entry of a ledger)."""

    id: str
    user: str
    keepalive_ms: int
    subscriptions: dict[int, Subscribed] = field(default_factory=dict)
    first: int = 0
    """Number of the oldest line kept."""
    sent: int = 0
    """Number of the next line to write."""
    ended: str = ""
    """The END or LOOP line to write when everything before it is written; empty while the stream goes on."""
    _log: deque[tuple[str, T | None]] = field(default_factory=deque)

    @property
    def last(self) -> int:
        """The number after the newest line."""
        return self.first + len(self._log)

    def add(self, line: str, mark: T | None = None) -> None:
        """Append a line that counts for recovery."""
        self._log.append((line, mark))
        if len(self._log) > MAX_LOG:
            self._log.popleft()
            self.first += 1
            self.sent = max(self.sent, self.first)

    def subscribe(self, request: Request) -> Subscribed:
        """Take in a subscription of one item and acknowledge it."""
        made = Subscribed(
            int(request.get("LS_subId")),
            request.get("LS_group"),
            tuple(request.get("LS_schema").split(" ")),
            request.get("LS_mode"),
        )
        self.subscriptions[made.number] = made
        self.add(f"SUBOK,{made.number},1,{len(made.fields)}")
        self.add(f"CONF,{made.number},unlimited,filtered")
        return made

    def unsubscribe(self, number: int) -> bool:
        """End a subscription; False if there is none of this number."""
        if self.subscriptions.pop(number, None) is None:
            return False
        self.add(f"UNSUB,{number}")
        return True

    def update(self, target: Subscribed, values: Values, mark: T | None = None) -> None:
        """Append an update: a merged item's whole row at first, then what changed; a distinct item's fields always."""
        before = target.row
        target.row = values
        self.add(f"U,{target.number},1,{encode_row(values, before)}", mark)

    def overflow(self, target: Subscribed, lost: int) -> None:
        """Append the notice that updates were dropped."""
        self.add(f"OV,{target.number},1,{lost}")

    def take(self, limit: int = 500) -> list[tuple[str, T | None]]:
        """Return the next lines to write, at most `limit`, and count them as written."""
        at = self.sent - self.first
        lines = [self._log[i] for i in range(at, min(at + limit, len(self._log)))]
        self.sent += len(lines)
        return lines

    def recover(self, from_line: int) -> bool:
        """Go back to line `from_line`; False if it is not kept, or not there yet."""
        if not self.first <= from_line <= self.last:
            return False
        self.sent = from_line
        return True

    def unwritten(self) -> Iterable[T]:
        """Return the marks of lines that were never written."""
        return [mark for line, mark in list(self._log)[self.sent - self.first :] if mark is not None]
