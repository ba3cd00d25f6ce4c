"""PURE. Texts without the provider's key, which travels in the URL and so in exceptions."""

from __future__ import annotations

import re
from urllib.parse import quote

_TOKEN = re.compile(r"(token=)[^&\s'\"<>]+", re.IGNORECASE)


def scrub(text: str, secret: str) -> str:
    """Return `text` without `secret`, as it is and as a URL holds it, and without any other value of ``token=``."""
    for form in {secret, quote(secret, safe="")}:
        if form:
            text = text.replace(form, "***")
    return _TOKEN.sub(r"\1***", text)
