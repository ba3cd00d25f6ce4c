"""SHELL (stderr). How the sink writes its log: one JSON object a line, or text for people where stderr is a terminal."""

from __future__ import annotations

import logging
import sys

import structlog

from schemas.logs import FINISH, hear_libraries, renderer


def configure() -> None:
    """Set up structlog and `logging` for this process; what Cassandra's driver says are events, too."""
    render = renderer()
    structlog.configure(
        processors=[*FINISH, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    hear_libraries(FINISH, render)
