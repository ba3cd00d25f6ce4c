"""One connection against a server that misbehaves on purpose: it ends in order, in time, and what was read is whole."""

import base64
import hashlib
import select
import socket
import struct
import time
from contextlib import closing, suppress
from threading import Event, Thread

import pytest

from producer import connection
from producer.connection import Connection
from producer.inbox import Inbox

TEXT, PING, CLOSE = 1, 9, 8
STUCK_S = 0.5  # a peer that cannot write for so long is held back


def frame(opcode, payload, *, fin=True, claim=None):
    """Return a server's frame; `claim` puts another length into its header than it has."""
    size = len(payload) if claim is None else claim
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + b"\x7e" + struct.pack("!H", size) + payload
    return head + b"\x7f" + struct.pack("!Q", size) + payload


class Peer:
    """A server on loopback that answers the handshake, unless told otherwise, and then does what `script` says."""

    def __init__(self, script, handshake=True):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self._script = script
        self._handshake = handshake
        self.sent = 0
        self.stuck = Event()
        Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with closing(self._listener), suppress(OSError):
            link, _ = self._listener.accept()
            with closing(link):
                request = b""
                while self._handshake and b"\r\n\r\n" not in request:
                    request += link.recv(4096)
                if self._handshake:
                    key = next(
                        line.split()[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
                    )
                    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
                    link.sendall(
                        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
                    )
                self._script(self, link)

    def send(self, link, data):
        if not select.select([], [link], [], STUCK_S)[1]:
            self.stuck.set()
        link.sendall(data)
        self.sent += 1


def hold(link):
    """Keep the connection open until the other side ends it."""
    with suppress(OSError):
        while link.recv(4096):
            pass


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(connection, "READ_S", 0.3)
    monkeypatch.setattr(connection, "CONNECT_S", 0.5)


def attempt(script, inbox=None, **options):
    inbox = inbox or Inbox()
    peer = Peer(script, **options)
    link = Connection(peer.url + "?token=secret-word", "secret-word", inbox, 1)
    link.start()
    return peer, link, inbox


def everything(inbox, limit_s=10.0):
    """Return the items up to the last one a connection puts."""
    items, deadline = [], time.monotonic() + limit_s
    while not items or items[-1].kind not in ("closed", "failed"):
        item = inbox.get(deadline - time.monotonic())
        assert item is not None, f"no end within {limit_s} s; so far {[i.kind for i in items][-5:]}"
        items.append(item)
    return items


def test_law_12_bounded_a_full_inbox_stops_the_peer_and_loses_nothing():
    frames, size = 40_000, 1_000

    def flood(peer, link):
        for n in range(frames):
            peer.send(link, frame(TEXT, b"%08d" % n + b"." * (size - 8)))
        peer.send(link, frame(CLOSE, struct.pack("!H", 1000)))
        hold(link)

    inbox = Inbox(max_items=100)
    peer, link, _ = attempt(flood, inbox)
    assert peer.stuck.wait(60), "40 MB have fitted: nothing was held back"
    assert 100 < peer.sent < frames
    items = everything(inbox, 60)
    assert [i.kind for i in items] == ["opened"] + ["data"] * frames + ["closed"]
    assert [int(i.payload[:8]) for i in items[1:-1]] == list(range(frames))
    assert link.join(60)


def test_frames_pings_and_a_close_come_in_order():
    def script(peer, link):
        link.sendall(frame(TEXT, b"one") + frame(PING, b"p") + frame(TEXT, b"tw", fin=False) + frame(PING, b"") + frame(0, b"o"))
        link.sendall(frame(CLOSE, struct.pack("!H", 1001)))
        hold(link)

    items = everything(attempt(script)[2])
    assert [(i.kind, i.payload) for i in items[:-1]] == [
        ("opened", b""), ("data", b"one"), ("ping", b""), ("ping", b""), ("data", b"two"),
    ]  # fmt: skip
    assert "1001" in items[-1].detail


@pytest.mark.parametrize(
    "cut", [lambda link: link.close(), lambda link: link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))]
)
def test_cut_in_the_middle_of_a_frame_gives_no_half_record(cut):
    def script(peer, link):
        link.sendall(frame(TEXT, b"whole") + frame(TEXT, b"half of it", claim=100))
        cut(link)

    assert [i.kind for i in everything(attempt(script)[2])] == ["opened", "data", "closed"]


def test_stall_in_the_middle_of_a_frame_ends_the_connection():
    def script(peer, link):
        link.sendall(frame(TEXT, b"half", claim=1000))
        hold(link)

    assert everything(attempt(script)[2])[-1].detail == "stalled in the middle of a frame"


def test_quiet_but_healthy_connection_is_left_alone():
    def script(peer, link):
        readable, _, _ = select.select([link], [], [], 1.2)  # for four times the limit of a read, not even an end is sent
        link.sendall(frame(TEXT, b"early" if readable else b"late"))

    items = everything(attempt(script)[2])
    assert [(i.kind, i.payload) for i in items] == [("opened", b""), ("data", b"late"), ("closed", b"")]


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"", claim=1 << 40),
        frame(TEXT, b"x" * (1 << 20), fin=False) + frame(0, b"x" * (1 << 20), fin=False) * 16,
        b"\xff" * 50,
        frame(3, b"reserved opcode"),
    ],
    ids=["endless frame", "endless message", "noise", "reserved"],
)
def test_what_no_client_can_hold_or_read_ends_the_connection(data):
    def script(peer, link):
        with suppress(OSError):
            link.sendall(data)
        hold(link)

    assert [i.kind for i in everything(attempt(script)[2])] == ["opened", "closed"]


def test_handshake_that_is_never_answered_fails_in_time_and_without_the_key():
    items = everything(attempt(lambda peer, link: hold(link), handshake=False)[2], 5)
    assert [i.kind for i in items] == ["failed"]
    assert "secret-word" not in items[0].detail


@pytest.mark.parametrize("status", [200, 401, 429, 502])
def test_refused_handshake_tells_status_and_when_to_come_back(status):
    def script(peer, link):
        link.recv(4096)
        link.sendall(b"HTTP/1.1 %d No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" % status)
        hold(link)

    (item,) = everything(attempt(script, handshake=False)[2])
    assert (item.kind, item.http_status, item.retry_after) == ("failed", status, "7")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 302 Found\r\nSet-Cookie: a,b=1\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ws://%s.example/\r\n" % (b"a" * 70),
        b"HTTP/1.1\r\n",
        b"\xff\xfe\r\n",
    ],
    ids=["cookie", "address", "status", "bytes"],
)
def test_law_11_totality_handshake_that_the_library_cannot_read_is_a_failed_attempt(head):
    def script(peer, link):
        link.recv(4096)
        link.sendall(head + b"\r\n")
        hold(link)

    assert [i.kind for i in everything(attempt(script, handshake=False)[2])] == ["failed"]


def test_close_is_told_with_the_providers_words_but_for_our_key():
    def script(peer, link):
        link.sendall(frame(CLOSE, struct.pack("!H", 1008) + b"one connection for secret-word"))
        hold(link)

    end = everything(attempt(script)[2])[-1]
    assert end.detail == "closed by the provider with code 1008: one connection for ***"


def test_end_that_is_met_late_is_told_with_the_moment_at_which_it_had_not_come():
    closed = Event()

    def script(peer, link):
        for _ in range(5):
            link.sendall(frame(TEXT, b"x"))
        link.close()
        closed.set()

    _, _, inbox = attempt(script, Inbox(max_items=2))
    assert closed.wait(5)
    held_us = inbox.now_us()  # the third item holds the reader, or will hold it, before it can have met the end
    items = everything(inbox)
    assert [i.kind for i in items] == ["opened", *["data"] * 5, "closed"]
    assert items[-1].seen_us <= held_us <= items[-1].receive_us


def test_reader_that_waits_looks_again_and_again():
    go, looked = Event(), Event()

    class Looking(Inbox):
        def now_us(self):
            looked.set()
            return super().now_us()

    def script(peer, link):
        go.wait(10)
        link.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        hold(link)

    _, _, inbox = attempt(script, Looking())
    assert inbox.get(5).kind == "opened"
    for _ in range(5):
        looked.clear()
        assert looked.wait(10), "a reader that waits does not look"
    last_us = inbox.now_us()
    looked.clear()
    assert looked.wait(10)
    go.set()
    assert everything(inbox)[-1].seen_us >= last_us


def test_kill_ends_a_silent_connection_long_before_a_read_would(monkeypatch):
    monkeypatch.setattr(connection, "READ_S", 60.0)
    _, link, inbox = attempt(lambda peer, link: hold(link))
    assert inbox.get(60.0).kind == "opened"
    began = time.monotonic()
    link.kill()
    assert everything(inbox)[-1].kind == "closed"
    assert link.join(60)
    assert time.monotonic() - began < 10


def test_nobody_there_is_a_failed_attempt():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    inbox = Inbox()
    link = Connection(f"ws://127.0.0.1:{port}", "secret-word", inbox, 1)
    link.start()
    assert everything(inbox)[-1].kind == "failed"
    assert not link.send("anything")
    assert not link.ping(b"")
