"""SHELL (stderr). How the sink writes its log: one JSON object a line, or text for people where stderr is a terminal.

Libraries speak through `logging` (Cassandra's driver, Python's own warnings). Theirs are events like ours, `library.said`.
"""

from __future__ import annotations

import logging
import sys
import threading

import structlog
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor

_FINISH: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def configure() -> None:
    """Set up structlog and `logging` for this process; what ends the process unforeseen is an event, too."""
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*_FINISH, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    before: list[Processor] = [add_logger_name, _as_event, *_FINISH]
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=before, processors=[ProcessorFormatter.remove_processors_meta, renderer])
    )
    # Less than a warning is chatter, of no use to an operator.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    log = structlog.get_logger()
    sys.excepthook = lambda kind, error, trace: log.critical("process.crashed", exc_info=(kind, error, trace))
    threading.excepthook = lambda what: log.critical(
        "thread.crashed", exc_info=(what.exc_type, what.exc_value, what.exc_traceback)
    )


def _as_event(_logger: object, _method: str, event: EventDict) -> EventDict:
    # A library's sentence is data: an event has a name that can be searched for.
    return {**event, "event": "library.said", "text": event["event"]}
