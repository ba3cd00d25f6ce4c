"""SHELL (files). The live page: its files, and the headers they travel with. Processor and console serve the same ones.

The page asks its own server and nobody else, for records as the processor's pages give them (``/about``, ``/series``, ``/feeds``,
``/candles``, ``/gaps``) and for the stream of their changes (``/events``). It holds no library: charts are drawn by `chart.js`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web

KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
FILES = {
    "/": "page.html",
    "/page.css": "page.css",
    "/page.js": "page.js",
    "/panels.js": "panels.js",
    "/chart.js": "chart.js",
    "/book.js": "book.js",
}
"""Address of each file."""
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Everything comes from the page's own server; names out of a feed can never become a script."""


def add_to(router: web.UrlDispatcher) -> None:
    """Let an application answer for the page's files."""
    for address, name in FILES.items():
        body = files(__name__).joinpath(name).read_bytes()
        router.add_get(address, _answer(body, KINDS[name.rpartition(".")[2]]))


def _answer(body: bytes, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)

    return handler
