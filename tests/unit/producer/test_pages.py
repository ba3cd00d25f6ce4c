"""The producer's pages: who asks and leaves before the answer is nobody's fault."""

import socket
import struct
import threading

from structlog.testing import capture_logs

from producer.telemetry import Counts, serve


def test_who_asks_and_leaves_before_the_answer_writes_nothing_into_the_log(capfd):
    asked, left = threading.Event(), threading.Event()

    def health():
        asked.set()
        assert left.wait(20)
        return {"much": "x" * 10_000_000}  # more than the sockets between them hold

    server = serve("127.0.0.1", 0, "f", Counts(), health, lambda: False)
    over = threading.Event()
    server.shutdown_request = lambda request: (type(server).shutdown_request(server, request), over.set())
    with capture_logs() as said:
        with socket.create_connection(server.server_address[:2], timeout=20) as line:
            line.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert asked.wait(20)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # away at once
        left.set()
        assert over.wait(20)
    server.shutdown()
    server.server_close()
    assert said == []
    assert capfd.readouterr().err == ""
