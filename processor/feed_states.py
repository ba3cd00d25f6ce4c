"""PURE. What the pages say of the feeds: the newest that any partition of this worker knows of each source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from processor.core.feed import Feed


def feed_states(partitions: Iterable[Mapping[str, Feed]]) -> list[dict[str, Any]]:
    """Return the sources by name: source, state, reason, since, updated_at (microseconds; 0 where nothing is known yet).

    Every partition hears of every source, one perhaps a moment before the other; the one that is furthest speaks. `reason` is
    the cause of an outage while it lasts, else empty.
    """
    newest: dict[str, Feed] = {}
    for feeds in partitions:
        for source, feed in feeds.items():
            if feed.epoch and (source not in newest or _age(newest[source]) < _age(feed)):
                newest[source] = feed
    return [_told(newest[source]) for source in sorted(newest)]


def changed(told: dict[str, str], feeds: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the feeds whose state is not the one in `told`, by source, and note it there."""
    news = [feed for feed in feeds if told.get(feed["source"]) != feed["state"]]
    told.update((feed["source"], feed["state"]) for feed in news)
    return news


def _age(feed: Feed) -> tuple[int, int]:
    return feed.epoch, feed.offset if feed.replay else feed.clock


def _told(feed: Feed) -> dict[str, Any]:
    outage = feed.outage
    since = outage.start if outage else feed.good_from
    return {
        "source": feed.source,
        "state": feed.state,
        "reason": outage.cause if outage else "",
        "since": since or 0,
        "updated_at": max(feed.clock, 0),
    }
