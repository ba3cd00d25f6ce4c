"""SHELL (Lightstreamer). One attempt at IG's stream: log in, one session, its items into the inbox, in order, by one thread.

The client library recovers a session by itself, without a loss and without a word from us; a session that is gone ends the
attempt, so that every loss is one outage and every attempt begins with what it needs: a login, if the last one is of no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

import structlog
from lightstreamer.client import LightstreamerClient

from producer.ig import frames
from producer.ig.handover import Handover, Note, Overflow, Update
from producer.ig.items import Items
from producer.ig.listeners import StatusListener
from producer.ig.rest import IgError, IgRest, Login
from producer.ig.scales import ask_scales
from producer.ig.sight import Patience, Sight
from producer.ig.verdicts import Ending, ending_of
from producer.inbox import Inbox
from producer.scrub import scrub

_log = structlog.get_logger()
WAIT_S = 0.25
BEAT_S = 5.0  # how often the link says that the session lives, where no heartbeat item does


class IgLink:
    """A `producer.link.Link` over the official client. ``opened`` comes with the session, ``closed`` with its end.

    Args:
        rest: the login, which outlives the link.
        inbox: where everything goes.
        number: of the attempt.
        keepalive_ms: silence after which the server is asked to say that it lives.
        refresh_s: how often the tokens are renewed.
        scaled: the epics whose scale is to be asked for before anything is subscribed; None: none, now or later.
        secrets: what no text that leaves may hold.
    """

    def __init__(
        self,
        rest: IgRest,
        inbox: Inbox,
        number: int,
        *,
        keepalive_ms: int,
        refresh_s: float,
        scaled: tuple[str, ...] | None,
        secrets: Sequence[str],
    ) -> None:
        self.number = number
        self._rest = rest
        self._inbox = inbox
        self._keepalive_ms = keepalive_ms
        self._refresh_s = refresh_s
        self._scaled = scaled
        self._is_scaled = scaled is not None
        self._secrets = secrets
        self._handover = Handover(inbox.now_us)
        self._killed = Event()
        self._thread = Thread(target=self._run, name=f"ig-{number}", daemon=True)
        self._items: Items
        self._barriers: list[bytes] = []
        self._scales: dict[str, Decimal] = {}
        self._client: Any = None
        self._ending = Lock()
        self._is_told = False
        self._sight = Sight()

    def start(self) -> None:
        """Begin to log in."""
        self._thread.start()

    def send(self, text: str) -> bool:
        """Subscribe or unsubscribe an item; False if the session is gone."""
        self._handover.note(Note("wish", text=text))
        return self._client is not None and not self._killed.is_set()

    def ping(self, payload: bytes) -> bool:
        """Ask for a pong: at once while the session lives, or, with a payload, when all subscriptions so far are answered."""
        self._handover.note(Note("ping", payload=payload))
        return self._client is not None

    def kill(self) -> None:
        """End the session; the thread puts ``closed``, or, where it still waits for the login, this does."""
        self._killed.set()
        self._handover.note(Note("kill"))
        if self._client is None:
            self._put_end("failed", None, "the login took too long")

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    # The thread.

    def _run(self) -> None:
        try:
            login, fresh = self._rest.login()
            self._scales = ask_scales(self._rest, self._scaled) if self._scaled else {}
        except IgError as error:
            self._put_end("failed", error.http_status, str(error))
            return
        if self._is_told:
            return
        ending = Ending(None, False, "the link broke")  # stays only if something unforeseen is raised, which the thread reports
        try:
            self._connect(login)
            ending = self._serve(fresh=fresh)
        finally:
            if self._client is not None:
                self._client.disconnect()
            if ending.relogin:
                self._rest.forget(login)
            elif self._killed.is_set():
                self._rest.log_out()  # at a stop; and a session that a watchdog has given up is not to be tried again
            self._put_end("closed" if self._sight.is_open else "failed", ending.http_status, ending.detail)

    def _put_end(self, kind: Any, http_status: int | None, detail: str) -> None:
        with self._ending:
            is_told, self._is_told = self._is_told, True
        if is_told:
            return
        for secret in self._secrets:
            detail = scrub(detail, secret)
        self._inbox.put(self.number, kind, detail=detail, http_status=http_status, good_until_us=self._sight.heard_us)

    def _connect(self, login: Login) -> None:
        client = LightstreamerClient(login.streaming, None)
        client.connectionDetails.setUser(login.account)
        client.connectionDetails.setPassword(login.stream_password)
        client.connectionOptions.setKeepaliveInterval(self._keepalive_ms)
        client.addListener(StatusListener(self._handover))
        self._items = Items(client, login.account, self._handover)
        self._client = client
        client.connect()

    def _serve(self, *, fresh: bool) -> Ending:
        # Take what comes until the session is over; return how it ended.
        refresh_at_s, beat_at_s = monotonic() + self._refresh_s, 0.0
        while True:
            now_s = monotonic()
            event = self._handover.get(WAIT_S)
            if isinstance(event, Update):
                self._put_update(event)
            elif isinstance(event, Overflow):
                self._put(type="overflow", epic=event.epic, count=event.lost, **{"from": event.from_us, "to": event.to_us})
            elif event is not None and (ending := self._note(event, fresh=fresh)) is not None:
                return ending
            if self._sight.is_connected and not self._sight.has_heartbeat and now_s >= beat_at_s:
                beat_at_s = now_s + BEAT_S
                self._put(type="alive")
            if now_s >= refresh_at_s:
                refresh_at_s = now_s + self._refresh_s
                # Beside the stream, which outlives its tokens: the next attempt, and the history, need living ones.
                Thread(target=self._refresh, name=f"ig-refresh-{self.number}", daemon=True).start()

    def _note(self, note: Note, *, fresh: bool) -> Ending | None:
        if note.what == "kill":
            return Ending(None, False, "ended by us")
        if note.what == "status":
            return self._state(note.text, note.at_us)
        if note.what == "server_error":
            self._sight.ended()
            return ending_of(note.number, note.text, fresh=fresh)
        if note.what == "wish":
            self._obey(note.text)
        elif note.what == "ping":
            if note.payload:
                self._barriers.append(note.payload)
            elif self._sight.is_connected:
                self._inbox.put(self.number, "pong")
        else:
            self._answer(note)
        while self._barriers and self._items.are_answered:
            self._inbox.put(self.number, "pong", self._barriers.pop(0))
        return None

    def _obey(self, text: str) -> None:
        is_subscription, kind, epic = frames.wish(text)
        if is_subscription:
            if kind != "heartbeat" and self._is_scaled and epic not in self._scales:
                self._ask_scale(epic)
            self._items.subscribe(kind, epic)
        else:
            self._items.unsubscribe(kind, epic)
            if kind == "heartbeat":
                self._sight.has_heartbeat = False  # from now on the link says itself that it lives

    def _ask_scale(self, epic: str) -> None:
        # Wanted since the session began. Without an answer its prices are refused until the next session asks again.
        try:
            self._tell_scales(ask_scales(self._rest, (epic,)))
        except IgError as error:
            _log.warning("scale.not_told", epic=epic, reason=str(error), fate=error.fate)

    def _tell_scales(self, scales: dict[str, Decimal]) -> None:
        self._scales |= scales
        for epic, divisor in scales.items():
            self._put(type="scale", epic=epic, divisor=str(divisor))

    def _answer(self, note: Note) -> None:
        if note.what != "lost":
            self._items.answered(note.of, note.epic)
        if note.of == "heartbeat":
            self._sight.has_heartbeat = note.what == "subscribed" and self._items.are_wanted("heartbeat", "")
            _log.info("heartbeat.answered", what=note.what, code=note.number)
        elif note.what == "subscribed":
            self._put(type="subscribed", epic=note.epic)
        elif note.what == "refused":
            message = note.text
            for secret in self._secrets:
                message = scrub(message, secret)
            self._put(type="refused", epic=note.epic, of=note.of, code=note.number, message=message[: frames.MAX_TEXT])
        else:
            self._put(type="lost", epic=note.epic, of=note.of, count=note.number)

    def _state(self, state: str, at_us: int) -> Ending | None:
        options = self._client.connectionOptions
        patience = Patience(options.getKeepaliveInterval(), options.getStalledTimeout(), options.getReconnectTimeout())
        change = self._sight.turned(state, at_us, patience)
        if change == "opened":
            self._inbox.put(self.number, "opened")
            self._tell_scales(self._scales)
        elif change == "recovered":
            _log.info("session.recovered", state=state)
        elif change == "out_of_sight":
            _log.warning("session.out_of_sight", state=state, last_heard=self._sight.heard_us)
        elif change == "gone":
            return Ending(None, False, "the session is gone" if self._sight.is_open else "no session could be begun")
        return None

    def _put_update(self, update: Update) -> None:
        self._sight.came(update.kind, update.fields, update.at_us)
        if update.kind == "heartbeat":
            self._put(type="heartbeat")
        else:
            self._put(
                type=update.kind, epic=update.epic, snapshot=update.is_snapshot, changed=update.changed, fields=update.fields
            )

    def _put(self, **message: Any) -> None:
        self._inbox.put(self.number, "data", frames.frame(**message))

    def _refresh(self) -> None:
        try:
            self._rest.keep_alive()
        except IgError as error:
            _log.warning("login.not_renewed", reason=str(error), fate=error.fate)
