"""A command asks Cassandra again where the node lets it in and is then too busy to answer the driver's first question in time."""

import socket
import threading
from contextlib import contextmanager

import pytest

from deploy.cassandra.connect import connected

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
HANDSHAKE = 2
"""Answers of the node that let a client in."""


@contextmanager
def busy_at_first(address):
    """Yield an address that leads to the node; of its first connection nothing is passed on after the handshake."""
    host, _, port = address.rpartition(":")
    door = socket.create_server(("127.0.0.1", 0))
    opened = []

    def passed(source, sink, most):
        answers = 0
        while data := source.recv(65_536):
            answers += 1
            if most is None or answers <= most:
                sink.sendall(data)

    def guarded(*arguments):
        try:
            passed(*arguments)
        except OSError:
            return  # either side has gone

    def let_in():
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            node = socket.create_connection((host, int(port)))
            opened.extend((client, node))
            most = HANDSHAKE if len(opened) == 2 else None
            for arguments in ((client, node, None), (node, client, most)):
                threading.Thread(target=guarded, args=arguments, daemon=True).start()

    threading.Thread(target=let_in, daemon=True).start()
    try:
        yield f"127.0.0.1:{door.getsockname()[1]}", opened
    finally:
        door.close()
        for one in opened:
            one.close()


def test_a_node_too_busy_for_the_first_question_is_asked_again(stack):
    with busy_at_first(stack.cassandra) as (address, opened):
        with connected(address) as session:
            assert session.execute("SELECT release_version FROM system.local").one()
        assert len(opened) > 2, "the first connection was let in, and led nowhere"
