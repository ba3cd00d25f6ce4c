"""SHELL (stderr). How the producer writes its log: one JSON object a line, or text for people where stderr is a terminal."""

from __future__ import annotations

import logging
import sys

import structlog


def configure() -> None:
    """Set up structlog for this process. Events are named ``noun.past_verb``; data are keys, never part of the text."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
