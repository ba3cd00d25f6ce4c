"""PURE. Texts and bytes without the provider's keys, which travel in URLs and so in exceptions, and which a peer may repeat.

Scrub first, cut afterwards: half a key is found by nobody who looks for the whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from urllib.parse import quote, quote_plus

_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_TOKEN = re.compile(r"(token=)[^&\s'\"<>]+", re.IGNORECASE)


def scrub(text: str, secret: str) -> str:
    """Return `text` without `secret`, as it is and as a URL holds it, and without any other value of ``token=``."""
    for form in {secret, quote(secret, safe="")}:
        if form:
            text = text.replace(form, "***")
    return _TOKEN.sub(r"\1***", text)


def scrubber(secrets: Sequence[str]) -> Callable[[str], str]:
    """Return what takes each of `secrets` out of a text, as `scrub` does; those that are added to them later, too."""

    def without(text: str) -> str:
        for secret in secrets or ("",):
            text = scrub(text, secret)
        return text

    return without


def masker(secrets: Sequence[str]) -> Callable[[bytes], bytes]:
    """Return what overwrites each of `secrets` in bytes by as many asterisks, so that everything else stays in its place.

    A secret is found as it is, as addresses and forms write it, and as JSON escapes it; one that is added later, too.
    """
    forms: list[bytes] = []
    known = 0

    def masked(data: bytes) -> bytes:
        nonlocal forms, known
        if known != len(secrets):
            known = len(secrets)
            forms = sorted({form.encode() for secret in secrets if secret for form in _written(secret)}, key=len, reverse=True)
        for form in forms:
            if form in data:
                data = data.replace(form, b"*" * len(form))
        return data

    return masked


def _written(secret: str) -> set[str]:
    texts = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    texts |= {text.replace("/", "\\/") for text in texts}
    coded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return texts | coded | {_ESCAPE.sub(lambda escape: escape[0].lower(), text) for text in coded}
