"""SHELL (WebSocket, HTTP). The fake IG's streams: what the official Lightstreamer client expects, over both transports."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import WSMsgType, web

from deploy.simulator.ig_ledger import Entry, IgLedger
from deploy.simulator.tlcp import Request, Session, Subscribed, parse_frame, parse_lines

PROTOCOLS = ("TLCP-2.5.0.lightstreamer.com", "TLCP-2.4.0.lightstreamer.com")
UNBOUND_S = 20.0  # a session that no stream serves for this long is forgotten
LIMIT = 50_000  # bytes of a request, told to the client
_Write = Callable[[str], Awaitable[None]]
_Admit = Callable[[str, str], int]
_Open = Callable[["IgSession", Request], tuple[int, str] | None]


class IgSession(Session[Entry]):
    """A session with the things of an event loop: who writes it, and what wakes the writer."""

    def __init__(self, id: str, user: str, keepalive_ms: int) -> None:
        super().__init__(id, user, keepalive_ms)
        self.changed = asyncio.Event()
        self.drained = asyncio.Event()
        self.writer: asyncio.Task[None] | None = None
        self.transport: asyncio.BaseTransport | None = None
        self.unbound_s = time.monotonic()
        self.silent_until_s = 0.0

    def add(self, line: str, mark: Entry | None = None) -> None:
        """Append a line and wake the writer."""
        super().add(line, mark)
        self.drained.clear()
        self.changed.set()


class Lightstreamer:
    """Sessions and their streams. `admit` checks user and password (0, or a CONERR code); `opened` answers a subscription."""

    def __init__(self, ledger: IgLedger, *, admit: _Admit, opened: _Open, keepalive_ms: int) -> None:
        self.sessions: dict[str, IgSession] = {}
        self.refusing: tuple[int, float] = (0, 0.0)
        self.cut_until_s = self.no_websocket_until_s = 0.0
        self._ledger = ledger
        self._admit = admit
        self._opened = opened
        self._keepalive_ms = keepalive_ms
        self._ids = itertools.count(1)

    def routes(self, app: web.Application) -> None:
        """Add the two ways in."""
        app.router.add_get("/lightstreamer", self._websocket)
        app.router.add_post("/lightstreamer/{name}.txt", self._http)

    # What the venue does to its clients.

    def forget(self, session: IgSession, why: str) -> None:
        """End a session for good; what it never wrote is lost."""
        self.sessions.pop(session.id, None)
        for entry in session.unwritten():
            self._ledger.never_sent(entry, why)
        if session.writer is not None:
            session.writer.cancel()

    def forget_unbound(self) -> None:
        """Forget sessions that nobody has come back to."""
        now_s = time.monotonic()
        for session in list(self.sessions.values()):
            if session.writer is None and now_s - session.unbound_s > UNBOUND_S:
                self.forget(session, "session_expired")

    def finish(self, line: str) -> bool:
        """Let every bound session write `line` (LOOP or END) after everything before it; return whether there was one."""
        bound = [session for session in self.sessions.values() if session.writer is not None]
        for session in bound:
            session.ended = line
            session.changed.set()
        return bool(bound)

    async def cut(self, how: str, *, recover: bool, seconds: float) -> None:
        """Cut every stream, after what was written has gone out unless `how` is rst."""
        self.cut_until_s = time.monotonic() + seconds
        for session in list(self.sessions.values()):
            writer, transport = session.writer, session.transport
            if how != "rst":
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(session.drained.wait(), 2.0)
            if writer is not None:
                writer.cancel()
            if isinstance(transport, asyncio.Transport):
                transport.abort() if how == "rst" else transport.close()
            if not recover:
                self.forget(session, "session_lost")

    # WebSocket.

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        now_s = time.monotonic()
        if now_s < self.no_websocket_until_s:
            return web.Response(status=503)
        if now_s < self.cut_until_s:
            return _hang_up(request)
        socket = web.WebSocketResponse(protocols=PROTOCOLS, compress=False)
        await socket.prepare(request)
        bound: IgSession | None = None
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                for wish in parse_frame(message.data):
                    bound = await self._obey_on_socket(socket, request, wish, bound)
        except (ConnectionError, RuntimeError):
            pass  # cut under our hands
        finally:
            if bound is not None and bound.transport is request.transport:
                self._unbind(bound)
        return socket

    async def _obey_on_socket(
        self, socket: web.WebSocketResponse, request: web.Request, wish: Request, bound: IgSession | None
    ) -> IgSession | None:
        if wish.name == "wsok":
            await socket.send_str("WSOK\r\n")
        elif wish.name in ("create_session", "bind_session"):
            session, lines = self._attach(wish)
            if session is None:
                await socket.send_str(_text(lines))
                return None

            async def write(text: str) -> None:
                await socket.send_str(text)

            # The answer goes out before the writer's first line, for both use one socket.
            await socket.send_str(_text(lines))
            session.transport = request.transport
            session.writer = asyncio.create_task(self._stream(session, write, close=socket.close))
            return session
        elif wish.name == "control":
            answers = self._control(wish, bound or self.sessions.get(wish.get("LS_session")))
            if answers:
                await socket.send_str(_text(answers))
        return bound

    # HTTP.

    async def _http(self, request: web.Request) -> web.StreamResponse:
        if time.monotonic() < self.cut_until_s:
            return _hang_up(request)
        name = request.match_info["name"]
        wishes = parse_lines(name, await request.text())
        if name in ("create_session", "bind_session"):
            return await self._http_stream(request, wishes[0])
        lines: list[str] = []
        for wish in wishes if name == "control" else []:
            session = self.sessions.get(request.query.get("LS_session") or wish.get("LS_session"))
            lines += self._control(wish, session) or [f"REQOK,{wish.get('LS_reqId')}"]
        return web.Response(text=_text(lines or ["REQOK"]), content_type="text/enriched")

    async def _http_stream(self, request: web.Request, wish: Request) -> web.StreamResponse:
        wish.parameters.setdefault("LS_session", request.query.get("LS_session", ""))
        session, lines = self._attach(wish)
        response = web.StreamResponse(headers={"Content-Type": "text/enriched; charset=utf-8"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(_text(lines).encode())
        if session is None:
            await response.write_eof()
            return response
        left = int(wish.get("LS_content_length", "50000000"))

        async def write(text: str) -> None:
            nonlocal left
            data = text.encode()
            left -= len(data)
            await response.write(data)
            if left < 0 and not session.ended:
                session.ended = "LOOP,0"  # the client binds again when the promised length is used up

        session.transport = request.transport
        polling = wish.get("LS_polling") == "true"
        session.writer = asyncio.create_task(self._stream(session, write, polling=polling))
        await asyncio.wait([session.writer])
        with contextlib.suppress(ConnectionError, RuntimeError):
            await response.write_eof()
        return response

    # Both.

    def _attach(self, wish: Request) -> tuple[IgSession | None, list[str]]:
        # The session of a create or bind, and the lines that answer it.
        now_s = time.monotonic()
        if wish.name == "create_session":
            code, until_s = self.refusing
            code = code if now_s < until_s else self._admit(wish.get("LS_user"), wish.get("LS_password"))
            self._ledger.request("create_session", cause=wish.get("LS_cause"), old=bool(wish.get("LS_old_session")), code=code)
            if (old := self.sessions.get(wish.get("LS_old_session"))) is not None:
                self.forget(old, "session_replaced")
            if code:
                return None, [f"CONERR,{code},refused"]
            session = IgSession(f"S{next(self._ids):06d}", wish.get("LS_user"), self._keepalive_ms)
            self.sessions[session.id] = session
            lines = [f"CONOK,{session.id},{LIMIT},{self._keepalive_ms},*", "SERVNAME,Lightstreamer HTTP Server"]
            return session, [*lines, "CLIENTIP,127.0.0.1", "CONS,unlimited"]
        found = self.sessions.get(wish.get("LS_session"))
        recovery = wish.get("LS_recovery_from")
        self._ledger.request("bind_session", cause=wish.get("LS_cause"), recovery_from=recovery, found=found is not None)
        if found is None:
            return None, ["CONERR,20,session not found"]
        self._unbind(found)
        lines = [f"CONOK,{found.id},{LIMIT},{self._keepalive_ms},*", "CONS,unlimited"]
        if recovery:
            if not found.recover(int(recovery)):
                self.forget(found, "session_lost")
                return None, ["CONERR,4,recovery refused"]
            lines.append(f"PROG,{recovery}")
        return found, lines

    def _unbind(self, session: IgSession) -> None:
        if session.writer is not None:
            session.writer.cancel()
        session.writer, session.transport, session.ended = None, None, ""
        session.unbound_s = time.monotonic()

    async def _stream(
        self, session: IgSession, write: _Write, *, polling: bool = False, close: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                if (silence := session.silent_until_s - time.monotonic()) > 0:
                    await asyncio.sleep(silence)
                session.changed.clear()
                if lines := session.take():
                    await write(_text(line for line, _ in lines))
                    now_us = time.time_ns() // 1000
                    for _, entry in lines:
                        if entry is not None:
                            self._ledger.sent(entry, now_us)
                    continue
                session.drained.set()
                if polling or session.ended:
                    end = session.ended or "LOOP,0"
                    session.ended = ""
                    await write(_text([end]))
                    if end.startswith("END"):
                        self.sessions.pop(session.id, None)
                    break
                try:
                    await asyncio.wait_for(session.changed.wait(), session.keepalive_ms / 1000)
                except TimeoutError:
                    await write("PROBE\r\n")
        session.writer, session.transport, session.unbound_s = None, None, time.monotonic()
        if close is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await close()

    def _control(self, wish: Request, session: IgSession | None) -> list[str]:
        number = wish.get("LS_reqId")
        if session is None:
            return [f"REQERR,{number},20,session not found"]
        operation = wish.get("LS_op")
        if operation == "add":
            self._ledger.request("add", item=wish.get("LS_group").rpartition(":")[2], adapter=wish.get("LS_data_adapter"))
            refused = self._opened(session, wish)
            if refused is not None:
                return [f"REQERR,{number},{refused[0]},{refused[1]}"]
        elif operation == "delete":
            if not session.unsubscribe(int(wish.get("LS_subId", "0"))):
                return [f"REQERR,{number},19,subscription not found"]
        elif operation == "destroy":
            self._ledger.request("destroy", cause=wish.get("LS_cause"))
            session.ended = "END,31,destroyed by the client"
            session.changed.set()
            if session.writer is None:
                self.forget(session, "destroyed")
        elif operation == "force_rebind":
            session.ended = "LOOP,0"
            session.changed.set()
        return [] if wish.get("LS_ack") == "false" else [f"REQOK,{number}"]


def subscribed(sessions: dict[str, IgSession], item_ends_with: str) -> list[tuple[IgSession, Subscribed]]:
    """Return every subscription whose item ends so, with its session."""
    return [(s, sub) for s in sessions.values() for sub in s.subscriptions.values() if sub.item.endswith(item_ends_with)]


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)


def _hang_up(request: web.Request) -> web.Response:
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    return web.Response(status=503)
