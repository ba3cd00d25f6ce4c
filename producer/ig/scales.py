"""SHELL (HTTP). What IG divides an epic's prices by, as its page of markets tells: one request for all."""

from __future__ import annotations

from decimal import Decimal

from producer.ig.rest import IgError, IgRest


def ask_scales(rest: IgRest, epics: tuple[str, ...]) -> dict[str, Decimal]:
    """Return the scalingFactor of each epic that IG knows.

    Raises:
        IgError: no usable answer.
    """
    answer = rest.get("/markets", 2, {"epics": ",".join(epics)})
    try:
        told = {m["instrument"]["epic"]: int(m["snapshot"]["scalingFactor"]) for m in answer["marketDetails"]}
    except (KeyError, TypeError, ValueError):
        raise IgError("failed", "the answer of /markets is not the documented one") from None
    return {epic: Decimal(factor) for epic, factor in told.items() if factor > 0}
