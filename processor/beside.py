"""SHELL (asyncio). Work that goes on beside a loop, one piece of each name at a time, whose failure the loop hears of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Beside:
    """Tasks by name. `ended` is called when one ends, with whether it failed."""

    def __init__(self, ended: Callable[[bool], None]) -> None:
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._work: dict[str, Coroutine[Any, Any, None]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin; a piece of this name must not be under way."""
        self._work[name] = work
        self._tasks[name] = asyncio.create_task(self._do(work), name=name)

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        failed = True
        try:
            await work
            failed = False
        finally:
            self._ended(failed)

    def judge(self) -> None:
        """Forget what is done; raises what made one fail."""
        self._forget([name for name, task in self._tasks.items() if task.done()])

    async def end(self) -> None:
        """Wait until all are done; raises what made one fail."""
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        self._forget(list(self._tasks))

    async def cancel(self) -> None:
        """End all without their being done."""
        for task in self._tasks.values():
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks.values())
        for work in self._work.values():
            work.close()  # what had not begun yet
        self._tasks.clear()
        self._work.clear()

    def _forget(self, names: list[str]) -> None:
        # All before the first is asked: what failed belongs to partitions that nobody may write for any more.
        for task in [self._tasks.pop(name) for name in names]:
            task.result()
