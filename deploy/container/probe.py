"""SHELL (HTTP). The containers' health check: asks the service beside it for one page; exit status 0 only for 200.

    python -I -S probe.py /health/ready

One file without imports of ours, and without urllib's: it starts a process every few seconds, for as long as the service lives.
The port is the service's own CANDLEWICK_METRICS_PORT, the host its CANDLEWICK_HTTP_HOST.
"""

from __future__ import annotations

import os
import socket
import sys

LIMIT_S = 3.0
"""Below the image's HEALTHCHECK --timeout, so that it is this process that says why."""
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound to


def main() -> None:
    """Ask, and exit 1 with a line that says what was wrong."""
    host, port = os.environ.get("CANDLEWICK_HTTP_HOST", "127.0.0.1"), int(os.environ.get("CANDLEWICK_METRICS_PORT") or 0)
    try:
        with socket.create_connection((EVERYWHERE.get(host, host), port), timeout=LIMIT_S) as line:
            line.settimeout(LIMIT_S)
            line.sendall(f"GET {sys.argv[1]} HTTP/1.0\r\nHost: probe\r\n\r\n".encode())
            answer = b""
            while part := line.recv(4096):
                answer += part
    except OSError as error:
        sys.exit(f"nothing answers at {host} port {port}: {error}")
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        sys.exit(f"{sys.argv[1]}: {(status or [b'no HTTP'])[0].decode()} {body.decode(errors='replace')[:300]}")


if __name__ == "__main__":
    main()
