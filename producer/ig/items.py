"""SHELL (Lightstreamer). The items of one session: what was asked for, and what of it is not answered yet."""

from __future__ import annotations

from typing import Any

from lightstreamer.client import Subscription

from producer.ig import frames
from producer.ig.handover import Handover
from producer.ig.listeners import ItemListener


class Items:
    """Subscriptions of one client, one item each; for the link's thread alone."""

    def __init__(self, client: Any, account: str, handover: Handover) -> None:
        self._client = client
        self._account = account
        self._handover = handover
        self._items: dict[tuple[str, str], Any] = {}
        self._unanswered: set[tuple[str, str]] = set()

    @property
    def are_answered(self) -> bool:
        """Tell whether the server has accepted or refused everything so far."""
        return not self._unanswered

    def subscribe(self, kind: str, epic: str) -> None:
        """Ask for an item; a merged one begins with its present values, ticks with the next."""
        item = Subscription("DISTINCT" if kind == "tick" else "MERGE", [self._name(kind, epic)], frames.FIELDS[kind])
        item.setRequestedSnapshot("no" if kind == "tick" else "yes")
        if kind == "price":
            item.setDataAdapter("Pricing")
        item.addListener(ItemListener(self._handover, kind, epic))
        self._items[kind, epic] = item
        self._unanswered.add((kind, epic))
        self._client.subscribe(item)

    def unsubscribe(self, kind: str, epic: str) -> None:
        """Give an item up; its answer is not awaited any more."""
        self.answered(kind, epic)
        if (item := self._items.pop((kind, epic), None)) is not None:
            self._client.unsubscribe(item)

    def are_wanted(self, kind: str, epic: str) -> bool:
        """Tell whether an item was asked for and not given up."""
        return (kind, epic) in self._items

    def answered(self, kind: str, epic: str) -> None:
        """Note that the server has accepted or refused an item."""
        self._unanswered.discard((kind, epic))

    def _name(self, kind: str, epic: str) -> str:
        return frames.item_of(kind, epic, self._account)
