"""SHELL (HTTP). The group's other workers: who owns a series, and what it answers.

Who owns what, and where it listens, comes with the consumer group's assignment: Faust's assignor carries every member's URL and
partitions. A question that was passed on is never passed on again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from confluent_kafka import murmur2
from yarl import URL

from processor.answers import Problem
from processor.shown import instrument_in
from schemas.groups import Groups, partition_key

PASSED_ON = "X-Candlewick-Passed-On"
ANSWER_S = 5.0
"""How long another worker may take to answer."""


class Worker(Protocol):
    """What the pages need to know of the processor."""

    def health(self) -> dict[str, Any]:
        """Return `ready` and why."""

    def owners(self) -> dict[int, str]:
        """Return the URL of every partition's owner, as the last assignment says."""

    def owned(self) -> list[int]:
        """Return the partitions that this worker owns and has recovered."""

    def series(self) -> list[str]:
        """Return the series this worker keeps."""

    def feeds(self) -> list[dict[str, Any]]:
        """Return how the feeds are, as `processor.feed_states` has it."""


class Colleagues:
    """The other workers, asked over HTTP."""

    def __init__(self, worker: Worker, partitions: int, groups: Groups, silence_s: float) -> None:
        """Know nobody yet; to be opened in a running loop.

        Args:
            worker: this one.
            partitions: how many there are.
            groups: whose instruments share a partition.
            silence_s: seconds of silence after which another worker's stream is given up.
        """
        self._worker = worker
        self._count = partitions
        self._groups = groups
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Be ready to ask."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S))

    async def close(self) -> None:
        """Ask nobody any more."""
        if self._session is not None:
            await self._session.close()

    def partition(self, series: str) -> int:
        """Return the partition that a series is in."""
        return murmur2(partition_key(self._groups, instrument_in(series)), self._count)

    def owners(self) -> dict[int, str]:
        """Return every partition's owner; raises `Problem` while one has none."""
        owners = self._worker.owners()
        if len(owners) < self._count:
            raise Problem(503, "this worker has no assignment yet")
        return owners

    def everyone_else(self) -> list[str]:
        """Return the URLs of the workers that own what this one does not."""
        owners, mine = self.owners(), set(self._worker.owned())
        return sorted({url for partition, url in owners.items() if partition not in mine})

    def concerned(self, series: Collection[str]) -> list[str]:
        """Return the URLs of the other workers that own one of these series, or anything where none is named."""
        wanted = {self.partition(one) for one in series} if series else set(range(self._count))
        owners = self.owners()
        return sorted({owners[partition] for partition in wanted.difference(self._worker.owned())})

    async def answer(self, request: web.Request, series: str) -> web.Response | None:
        """Return the owner's answer to a question about a series; None where this worker is the owner."""
        partition = self.partition(series)
        if partition in self._worker.owned():
            return None
        if PASSED_ON in request.headers:
            raise Problem(503, f"partition {partition} is moving between workers")
        url = self._worker.owners().get(partition)
        if url is None:
            raise Problem(503, "this worker has no assignment yet")
        return await self.pass_on(url, request.rel_url.raw_path_qs)

    async def pass_on(self, url: str, page: str) -> web.Response:
        """Return what the worker at `url` answers, as it is."""
        status, body, kind = await self.ask(url, page)
        return web.Response(body=body, status=status, headers={"Content-Type": kind, "Cache-Control": "no-store"})

    async def ask(self, url: str, page: str) -> tuple[int, bytes, str]:
        """Return status, body and content type of a worker's page; raises `Problem` where it does not answer."""
        assert self._session is not None
        try:
            async with self._session.get(_address(url, page), headers={PASSED_ON: "1"}) as response:
                return response.status, await response.read(), response.headers.get("Content-Type", "text/plain")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Problem(503, f"the owner of this partition does not answer ({type(error).__name__})") from error

    async def follow(self, url: str, page: str, tell: Callable[[bytes], None]) -> None:
        """Give every event of another worker's stream to `tell`; return when it ends, breaks or is silent for too long."""
        assert self._session is not None
        limits = aiohttp.ClientTimeout(total=None, connect=ANSWER_S, sock_read=self._silence_s)
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with self._session.get(_address(url, page), headers={PASSED_ON: "1"}, timeout=limits) as response:
                if response.status == 200:
                    while said := await response.content.readuntil(b"\n\n"):
                        if said.startswith(b"event:"):
                            tell(said)


def _address(url: str, page: str) -> URL:
    # `page` is path and query alone, still encoded, so that a question can only be passed on to a worker of the group.
    base = URL(url)
    if base.scheme not in {"http", "https"}:
        raise ValueError("that worker serves no HTTP")
    return URL(str(base.origin()) + page, encoded=True)
