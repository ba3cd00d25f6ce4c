"""PURE. Texts without the provider's keys, which travel in URLs and so in exceptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

_TOKEN = re.compile(r"(token=)[^&\s'\"<>]+", re.IGNORECASE)


def scrub(text: str, secret: str) -> str:
    """Return `text` without `secret`, as it is and as a URL holds it, and without any other value of ``token=``."""
    for form in {secret, quote(secret, safe="")}:
        if form:
            text = text.replace(form, "***")
    return _TOKEN.sub(r"\1***", text)


def scrubber(secrets: tuple[str, ...]) -> Callable[[str], str]:
    """Return what takes each of `secrets` out of a text, as `scrub` does."""

    def without(text: str) -> str:
        for secret in secrets or ("",):
            text = scrub(text, secret)
        return text

    return without
