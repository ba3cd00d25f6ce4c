"""SHELL (WebSocket). One connection to a provider: a thread that reads, stamps and queues, and nothing more.

websocket-client is used below its application class, whose timeouts are process-wide and whose ``close`` can deadlock on a
silent peer. Here every read has a limit, and `kill`, which shuts the socket down, works from any thread at any time.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any

import websocket
from websocket import ABNF
from websocket._abnf import frame_buffer  # the only place where a length can be refused before it is read

from producer.inbox import Inbox
from producer.scrub import scrub

# Our choices: a provider answers in a second; a frame that stops in its middle for twice READ_S will not go on.
CONNECT_S = 10.0
READ_S = 5.0
MAX_MESSAGE = 16 << 20
LOOK_S = 0.2  # how often a reader that waits finds that nothing has come, and so that nothing has ended
READ_AHEAD = 64 << 10  # bytes a system call, and not three calls a frame, after each of which the publishing thread has its turn
_DATA = (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT)


class _BoundedBuffer(frame_buffer):
    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > MAX_MESSAGE:
            raise websocket.WebSocketPayloadException(f"a frame of {self.length} bytes")


class _BoundedWebSocket(websocket.WebSocket):
    def __init__(self, found_empty: Callable[[], None]) -> None:
        super().__init__(enable_multithread=True, skip_utf8_validation=True)
        self._found_empty = found_empty
        self._ready: select.poll | None = None
        self.frame_buffer = _BoundedBuffer(self._recv, skip_utf8_validation=True)
        self._ahead, self._at = b"", 0

    def _recv(self, bufsize: int) -> bytes:
        # Asked for a frame's two bytes, its length and its rest; the handshake is over then, and has read to its own end.
        if self._at == len(self._ahead):
            self._await()
            self._ahead, self._at = super()._recv(READ_AHEAD), 0  # type: ignore[no-untyped-call] # the library has no types
        begin = self._at
        self._at = min(begin + bufsize, len(self._ahead))
        return self._ahead[begin : self._at]

    def _await(self) -> None:
        # What ended a connection stands behind what was sent before. A reader that was held, or asleep, meets it late; so it
        # notes when it found nothing more to read.
        sock = self.sock
        if sock is None:
            return
        if self._ready is None:
            self._ready = select.poll()
            self._ready.register(sock, select.POLLIN)
        pending = getattr(sock, "pending", lambda: 0)  # decrypted already
        deadline_s = monotonic() + (sock.gettimeout() or READ_S)
        while not pending() and not self._ready.poll(0):
            self._found_empty()
            if (left_s := deadline_s - monotonic()) <= 0:
                raise websocket.WebSocketTimeoutException("nothing came")
            if self._ready.poll(1000 * min(LOOK_S, left_s)):
                return

    def mid_frame(self) -> tuple[Any, int]:
        """Return what has arrived of the frame being read; equal twice means that nothing came in between."""
        return self.frame_buffer.header, sum(len(part) for part in self.frame_buffer.recv_buffer)


class Connection:
    """One attempt. Puts ``opened`` or ``failed`` first, then frames, and ``closed`` last; `number` marks its items."""

    def __init__(self, url: str, secret: str, inbox: Inbox, number: int) -> None:
        self._url = url
        self._secret = secret
        self._inbox = inbox
        self.number = number
        self._ws: Any = _BoundedWebSocket(self._found_empty)  # its methods carry no types
        self._seen_us: int | None = None
        self._thread = Thread(target=self._run, name=f"reader-{number}", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def send(self, text: str) -> bool:
        """Send a text frame; False if the connection is gone, which the reader reports."""
        return self._try(lambda: self._ws.send(text))

    def ping(self, payload: bytes) -> bool:
        """Send a control ping; False as in `send`."""
        return self._try(lambda: self._ws.ping(payload))

    def kill(self) -> None:
        """Shut the socket down, whatever state it is in; the reader ends and puts ``closed``."""
        sock = self._ws.sock
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def join(self, timeout_s: float) -> bool:
        """Wait for the reader's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _found_empty(self) -> None:
        self._seen_us = self._inbox.now_us()

    def _try(self, action: Any) -> bool:
        try:
            action()
        except (websocket.WebSocketException, OSError):
            return False
        return True

    def _run(self) -> None:
        self._found_empty()
        try:
            self._ws.connect(self._url, timeout=CONNECT_S)
        except websocket.WebSocketBadStatusException as error:
            headers = error.resp_headers or {}
            self._failed(f"HTTP {error.status_code}", error.status_code, headers.get("retry-after"))
            return
        except Exception as error:  # the library raises what its parsers meet, CookieError included: it is a peer, not our code
            self._failed(f"{type(error).__name__}: {error}")
            return
        why = "the reader broke"  # stays only if something unforeseen is raised, which the thread then reports
        try:
            self._ws.settimeout(READ_S)
            self._inbox.put(self.number, "opened")
            why = self._read()
        except (websocket.WebSocketException, OSError) as error:
            why = f"{type(error).__name__}: {error}"
        finally:
            with suppress(OSError):
                self._ws.shutdown()
            self._inbox.put(self.number, "closed", detail=scrub(why, self._secret), seen_us=self._seen_us)

    def _failed(self, why: str, status: int | None = None, retry_after: str | None = None) -> None:
        with suppress(OSError):
            self._ws.shutdown()
        self._inbox.put(self.number, "failed", detail=scrub(why, self._secret), http_status=status, retry_after=retry_after)

    def _read(self) -> str:
        # Returns why the connection ended in order; raises where it did not.
        parts: list[bytes] = []
        stalled: tuple[Any, int] | None = None
        while True:
            try:
                frame = self._ws.recv_frame()
            except websocket.WebSocketTimeoutException:
                arrived = self._ws.mid_frame()
                if arrived == stalled and arrived != (None, 0):
                    return "stalled in the middle of a frame"
                stalled = arrived
                continue
            stalled = None
            if frame.opcode in _DATA:
                parts.append(frame.data)
                if sum(map(len, parts)) > MAX_MESSAGE:
                    return "a message of too many bytes"
                if frame.fin:
                    self._inbox.put(self.number, "data", b"".join(parts))
                    parts = []
            elif frame.opcode == ABNF.OPCODE_PING:
                self._try(lambda data=frame.data: self._ws.pong(data))
                self._inbox.put(self.number, "ping")
            elif frame.opcode == ABNF.OPCODE_PONG:
                self._inbox.put(self.number, "pong", frame.data)
            else:
                code = int.from_bytes(frame.data[:2], "big") if len(frame.data) >= 2 else 1005
                said = frame.data[2:].decode(errors="replace")
                self._try(self._ws.send_close)
                return f"closed by the provider with code {code}" + (f": {said}" if said else "")
