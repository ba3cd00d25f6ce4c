"""SHELL (randomness). The identity of a Kafka cluster."""

from __future__ import annotations

import base64
import os


def new_cluster_id(random: bytes | None = None) -> str:
    """Return an identity for a Kafka cluster: base64url of 16 bytes (random ones unless given), without padding.

    The first bit is cleared: Kafka's tool takes an identity that begins with a minus, one in 64 of them, for an option.
    """
    drawn = os.urandom(16) if random is None else random
    return base64.urlsafe_b64encode(bytes([drawn[0] & 0x7F]) + drawn[1:]).decode().rstrip("=")
