"""SHELL (files). The options of Kafka's clients that are kept in a file, because a password is among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VARIABLE = "CANDLEWICK_KAFKA_OPTIONS_FILE"


def with_file(options: Mapping[str, Any], file: Path | None) -> dict[str, Any]:
    """Return `options` with those in `file`, a JSON object like them; nothing is added without a file.

    Raises:
        ValueError: the file cannot be read, holds something else, or names an option that is given already; names the setting
            and the option, never a value.
    """
    if file is None:
        return dict(options)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{VARIABLE} {file}: {error.strerror}") from None
    except ValueError:  # neither UTF-8 nor JSON; what the parser says may quote the text
        raise ValueError(f"{VARIABLE} {file} holds no JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"{VARIABLE} {file} holds no JSON object")
    if twice := sorted(found.keys() & options.keys()):
        raise ValueError(f"{twice[0]} is in {VARIABLE} and in CANDLEWICK_KAFKA_OPTIONS: say it once")
    return {**options, **found}
