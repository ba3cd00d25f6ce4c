"""PURE. What a rebuild publishes so that everything that differs is as it ought to be, and what no publication can mend.

A candle is published with its own content under a raised generation, which outweighs every version of a lower one. A gap's
version has no generation: a higher one cannot be outweighed, except that a gap which ought not to be can be told as empty. One
of a consolidated series can, for its version is not made of its content.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from processor.audit.compare import Difference
from processor.audit.content import GENERATION, generation_of
from processor.core.gaps import FULL
from schemas.groups import is_consolidated
from schemas.records import Candle, Gap


@dataclass(frozen=True)
class Repair:
    """One record to publish, on the partition of its instrument."""

    partition: int
    record: Candle | Gap


def repairs(differences: Iterable[Difference], generation: int, now: int) -> tuple[list[Repair], list[tuple[Difference, str]]]:
    """Return what to publish, and what cannot be mended with the reason.

    Args:
        differences: of an audit.
        generation: of the candles, above every one that is out.
        now: wall clock, microseconds, stamped on what is published.
    """
    mended: list[Repair] = []
    left: list[tuple[Difference, str]] = []
    for difference in differences:
        record = _repaired(difference, generation, now)
        if isinstance(record, str):
            left.append((difference, record))
        else:
            mended.append(Repair(difference.partition, record))
    return mended, left


def _repaired(difference: Difference, generation: int, now: int) -> Candle | Gap | str:
    wanted, found = difference.wanted, difference.found
    if isinstance(wanted, Candle):
        version = wanted.version + (generation - generation_of(wanted.version)) * GENERATION
        return replace(wanted, version=version, state="revised", reason="rebuild", updated_at=now)
    if isinstance(wanted, Gap):
        out = -1 if found is None else found["version"]
        if wanted.version > out or "kafka" not in difference.places:
            return replace(wanted, updated_at=now)
        if is_consolidated(
            wanted.series
        ):  # its version says how much of the hour was known, and may be as high for other content
            return replace(wanted, version=out + 1, updated_at=now)
        return "a gap of a higher version is out, and gaps have no generation"
    if difference.kind == "gap" and found is not None:
        start, state = found["from_time"], "closed" if found["state"] == "open" else found["state"]
        version = (found["version"] // FULL + 1) * FULL  # an empty gap is the newest of its kind of answer
        if is_consolidated(difference.series):
            version = found["version"] + 1
        return Gap(**{**found, "to_time": start, "state": state, "version": version, "updated_at": now})
    if difference.kind == "candle":
        return "no record is in this window, and a candle cannot be withdrawn"
    return "nothing to publish: the processor reads its input again only after a crash"
