"""SHELL (files). Who we are to Cassandra, and how we know that it is Cassandra: password and authority, from files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cassandra.auth import PlainTextAuthProvider


@dataclass(frozen=True)
class Access:
    """A user with a password, an authority whose signature is trusted; nothing of it where the node asks for none."""

    user: str = ""
    password: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = field(default=None, repr=False)

    def driver_options(self) -> dict[str, Any]:
        """Return the arguments of the driver's Cluster."""
        options: dict[str, Any] = {"ssl_context": self.trust}
        if self.user:
            options["auth_provider"] = PlainTextAuthProvider(self.user, self.password)
        return options


def read(user: str, password_file: Path | None, ca_file: Path | None) -> Access:
    """Return the access that three settings describe.

    Args:
        user: empty where Cassandra asks for no password.
        password_file: its content, without the line's end, is the password.
        ca_file: certificates in PEM; with it the connection is TLS, and a node's certificate must carry the address that it is
            called by.

    Raises:
        ValueError: one of the two without the other, or a file that cannot be read; names the setting, never the content.
    """
    if bool(user) != (password_file is not None):
        raise ValueError("CANDLEWICK_CASSANDRA_USER and CANDLEWICK_CASSANDRA_PASSWORD_FILE belong together")
    try:
        password = "" if password_file is None else password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"CANDLEWICK_CASSANDRA_PASSWORD_FILE {password_file}: {type(error).__name__}") from error
    if user and not password:
        raise ValueError(f"CANDLEWICK_CASSANDRA_PASSWORD_FILE {password_file} is empty")
    try:
        trust = None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # ssl's own errors are such
        raise ValueError(f"CANDLEWICK_CASSANDRA_CA_FILE {ca_file}: {error.strerror or error}") from error
    return Access(user, password, trust)
