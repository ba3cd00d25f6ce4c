"""SHELL (HTTP). The shape of the pages' answers: JSON, also where something is wrong, and a count of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from processor import telemetry
from processor.shown import as_json

PAGES = (
    "/",
    "/candles/<series>/<timeframe>?limit=",
    "/gaps/<series>?limit=",
    "/series",
    "/feeds",
    "/events?series=&feeds=",
    "/about",
    "/health",
    "/metrics",
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):  # noqa: N818  # an answer, not a fault
    """An answer that is not what was asked for."""

    def __init__(self, status: int, text: str, **more: Any) -> None:
        super().__init__(text)
        self.status = status
        self.body = {"error": text, **more}


def json_answer(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return `body`, which no cache may keep."""
    shown = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return web.Response(body=body, status=status, content_type="application/json", headers=shown)


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer; problems become JSON, and what is asked is counted by the page's name, never by what stands in the address."""
    resource = request.match_info.route.resource
    page = (resource.canonical if resource is not None else "unknown").strip("/").partition("/")[0] or "page"
    try:
        response = await handler(request)
    except Problem as problem:
        response = json_answer(as_json(problem.body), problem.status, {"Retry-After": "1"} if problem.status == 503 else None)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        response = json_answer(as_json({"error": error.reason, "pages": PAGES}), error.status, allowed)
    telemetry.REQUESTS.labels(page, str(response.status)).inc()
    return response
