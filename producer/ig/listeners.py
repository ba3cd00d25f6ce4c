"""SHELL (Lightstreamer). The client library's callbacks as updates and notes; they run in its threads, and only queue."""

from __future__ import annotations

from typing import Any

from producer.ig.handover import Handover, Note, Update


class StatusListener:
    """Listens to the client: its states, and errors that end it. The names are the library's."""

    def __init__(self, handover: Handover) -> None:
        self._handover = handover

    def onStatusChange(self, status: str) -> None:  # noqa: N802
        """The client's state changed."""
        self._handover.note(Note("status", text=status))

    def onServerError(self, code: int, message: str | None) -> None:  # noqa: N802
        """The server ended the session, or would not begin it; the client does nothing more by itself."""
        self._handover.note(Note("server_error", number=code, text=str(message)))

    def onPropertyChange(self, name: str) -> None:  # noqa: N802
        """An option changed; nothing follows from it."""

    def onListenStart(self) -> None:  # noqa: N802
        """The listener was added."""

    def onListenEnd(self) -> None:  # noqa: N802
        """The listener was removed."""


class ItemListener:
    """Listens to one subscription, of one item."""

    def __init__(self, handover: Handover, kind: str, epic: str) -> None:
        self._handover = handover
        self._kind = kind
        self._epic = epic

    def onItemUpdate(self, update: Any) -> None:  # noqa: N802
        """Values came; the library has carried unchanged ones along."""
        self._handover.update(
            Update(self._kind, self._epic, update.getFields(), list(update.getChangedFields()), bool(update.isSnapshot()))
        )

    def onSubscription(self) -> None:  # noqa: N802
        """The server accepts."""
        self._handover.note(Note("subscribed", self._kind, self._epic))

    def onSubscriptionError(self, code: int, message: str | None) -> None:  # noqa: N802
        """The server refuses."""
        self._handover.note(Note("refused", self._kind, self._epic, code, str(message)))

    def onItemLostUpdates(self, _item: str | None, _position: int, lost: int) -> None:  # noqa: N802
        """The server had to drop updates."""
        self._handover.note(Note("lost", self._kind, self._epic, lost))

    def onUnsubscription(self) -> None:  # noqa: N802
        """We asked for it, or the session is over, which the client's state tells."""

    def onRealMaxFrequency(self, frequency: str | None) -> None:  # noqa: N802
        """The server told how often it may send."""

    def onClearSnapshot(self, _item: str | None, _position: int) -> None:  # noqa: N802
        """Not in use by IG."""

    def onEndOfSnapshot(self, _item: str | None, _position: int) -> None:  # noqa: N802
        """Not in use by IG."""

    def onListenStart(self) -> None:  # noqa: N802
        """The listener was added."""

    def onListenEnd(self) -> None:  # noqa: N802
        """The listener was removed."""
