"""SHELL (sockets). Finds ports of loopback that nobody uses."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
# Our choice: below the range from which systems take ports for outgoing connections (32768 on Linux), or a port that is
# free now could be gone when a server that starts slowly comes to bind it.
_FIRST, _LAST = 20_000, 32_000


def free(port: int) -> bool:
    """Return whether a server could listen on `port` of loopback now."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed port is not busy
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def listening(port: int) -> bool:
    """Return whether something accepts connections on `port` of loopback."""
    with socket.socket() as caller:
        caller.settimeout(0.5)
        return caller.connect_ex((LOOPBACK, port)) == 0


def choose(wanted: Mapping[str, int], taken: frozenset[int] = frozenset()) -> dict[str, int]:
    """Return a free port for every name: the wanted one if it is free and not in `taken`, else another.

    Raises:
        OSError: no port of our range is free.
    """
    chosen: dict[str, int] = {}
    for name, port in wanted.items():
        if port and port not in taken and port not in chosen.values() and free(port):
            chosen[name] = port
    # Where the search begins differs from process to process, so that two that search at once hardly meet.
    at = _FIRST + os.getpid() * 7919 % (_LAST - _FIRST)
    for name in wanted:
        tries = 0
        while name not in chosen:
            if at not in taken and at not in chosen.values() and free(at):
                chosen[name] = at
            elif (tries := tries + 1) > _LAST - _FIRST:
                raise OSError("no free port was found on loopback")
            at = _FIRST + (at + 1 - _FIRST) % (_LAST - _FIRST)
    return {name: chosen[name] for name in wanted}
