"""PURE. What a failed write means for the sink, and how long to wait before the next try.

Errors are judged by the names of their classes: the driver stays in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

_CONFIGURATION = {"Unauthorized", "AuthenticationFailed", "SyntaxException", "UnsupportedOperation"}
_UNTRUSTED = "certificate verify failed"
"""The driver makes an OSError of it, in which only the text is left."""
_MISSING = ("unconfigured table", "does not exist", "undefined column", "unknown identifier", "unknown keyspace")
_DATA = {"InvalidRequest", "TypeError", "OverflowError", "ValueError", "error"}  # the last is struct.error
_LOST = {"NoHostAvailable", "ConnectionException", "OSError", "NoConnectionsAvailable"}
_TRANSIENT = _LOST | {
    "Timeout",
    "WriteTimeout",
    "ReadTimeout",
    "Unavailable",
    "CoordinationFailure",
    "OperationTimedOut",
    "ConnectionBusy",
    "OverloadedErrorMessage",
    "IsBootstrappingErrorMessage",
    "ServerError",
    "TruncateError",
}
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
"""Our choice: a node that restarts is back within seconds, and the data waits safely in Kafka meanwhile."""


class Verdict(Enum):
    """What to do with the rows of a failed write."""

    TRANSIENT = "write the same again, without limit"
    DATA = "write the rows one by one, the guilty one is a dead letter"
    CONFIGURATION = "stop: no waiting helps"
    UNKNOWN = "a mistake of ours: crash and say so"


def judge(error: BaseException) -> Verdict:
    """Return what `error`, raised by the driver for one write, means."""
    names = _names(error)
    if any(_names(e) & _CONFIGURATION or _UNTRUSTED in str(e).lower() for e in (error, *_within(error))):
        return Verdict.CONFIGURATION
    if names & _TRANSIENT:
        return Verdict.TRANSIENT
    if "InvalidRequest" in names and any(words in str(error).lower() for words in _MISSING):
        return Verdict.CONFIGURATION
    return Verdict.DATA if names & _DATA else Verdict.UNKNOWN


def node_lost(error: BaseException) -> bool:
    """Say whether the connection went with this error: what the node acknowledged shortly before may be gone with it."""
    return bool(_names(error) & _LOST)


def delay_s(attempt: int, chance: float) -> float:
    """Return how long to wait before try number `attempt` + 1 (0 = after the first), seconds; `chance` is 0 to 1, the jitter."""
    return float(min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(attempt, 10))) * (0.5 + chance / 2)


def words(error: BaseException) -> str:
    """Return what is wrong in a line: of the errors of all nodes, which the driver wraps, the first."""
    inner = next(iter(_within(error)), error)
    return f"{type(inner).__name__}: {inner}"


def _within(error: BaseException) -> Iterable[BaseException]:
    # What each node said, when all were asked in vain.
    errors = getattr(error, "errors", None)
    return [e for e in errors.values() if isinstance(e, BaseException)] if isinstance(errors, Mapping) else []


def _names(error: BaseException) -> set[str]:
    return {c.__name__ for c in type(error).__mro__}
