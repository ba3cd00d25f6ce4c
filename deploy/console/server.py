"""SHELL (HTTP). Serves the live page and its data on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from aiohttp import web
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable

from deploy.console.store import Store

Handler = Callable[[web.Request], Awaitable[web.Response]]
_COUNT = 180
_MOST = 1000
_PAGE = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript")}
_STORE: web.AppKey[Store] = web.AppKey("store", Store)
_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
"""plotly.js writes inline styles; nothing else may come from anywhere but here."""


async def _view(request: web.Request) -> web.Response:
    asked = request.query
    try:
        count = min(max(int(asked.get("count", _COUNT)), 1), _MOST)
        view = await asyncio.to_thread(
            request.app[_STORE].view, asked.get("series", ""), asked.get("timeframe", ""), count, time.time_ns() // 1_000_000
        )
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except (DriverException, NoHostAvailable) as error:
        return web.json_response({"error": f"Cassandra does not answer ({type(error).__name__})"}, status=503)
    return web.json_response(view, headers={"Cache-Control": "no-store"})


def _static(text: bytes, kind: str, cache: str) -> web.Response:
    headers = {"Cache-Control": cache, "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return web.Response(body=text, content_type=kind, charset="utf-8", headers=headers)


def application(store: Store) -> web.Application:
    """Return the web application: the page, plotly.js out of its wheel, and ``/view``."""
    app = web.Application()
    app[_STORE] = store
    for path, (name, kind) in _PAGE.items():
        text = files("deploy.console").joinpath(name).read_bytes()
        app.router.add_get(path, _answer(text, kind, "no-cache"))
    app.router.add_get("/plotly.js", _answer(_plotly(), "text/javascript", "max-age=86400"))
    app.router.add_get("/view", _view)
    return app


def _answer(text: bytes, kind: str, cache: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return _static(text, kind, cache)

    return handler


def _plotly() -> bytes:
    return Path(str(files("plotly").joinpath("package_data/plotly.min.js"))).read_bytes()


async def serve(store: Store, host: str, port: int, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop` is set.

    Args:
        store: what is shown.
        host: loopback, unless you know better: the page has no login.
        port: 0 takes a free one.
        stop: set to end.
        ready: called once with the page's address.

    Raises:
        OSError: the port is taken.
    """
    runner = web.AppRunner(application(store), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        bound = runner.addresses[0][1]
        ready(f"http://{host}:{bound}/")
        await stop.wait()
    finally:
        await runner.cleanup()
