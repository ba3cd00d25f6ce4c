"""PURE. Frames of JSON as peers write it, which is not always JSON."""

from __future__ import annotations

import json
from typing import Any

import orjson

from producer.errors import RemoteError


def parsed(frame: bytes) -> Any:
    """Return what a frame says.

    NaN, Infinity and half a character are no JSON, and some peers' writers make them; they are read all the same, so that one
    trade does not lose the others of its frame.

    Raises:
        RemoteError: ``not_json``.
    """
    try:
        return orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(frame)
        except (ValueError, RecursionError):
            raise RemoteError("not_json", f"not JSON: {error}") from None


def element_text(element: Any) -> bytes:
    """Return an element of a frame as the text of a dead letter."""
    try:
        return json.dumps(element).encode()
    except RecursionError:
        return b'"an element nested too deeply to be written"'
