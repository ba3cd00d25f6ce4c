"""SHELL (stderr). How the processor writes its log: one JSON object a line, or text for people where stderr is a terminal."""

from __future__ import annotations

import sys

import structlog

from schemas.logs import FINISH, hear_libraries, renderer


def configure() -> None:
    """Set up structlog and `logging` for this process; what Faust, aiokafka and asyncio say are events, too."""
    render = renderer()
    structlog.configure(processors=[*FINISH, render], logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    hear_libraries(FINISH, render)
