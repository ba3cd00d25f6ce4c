"""SHELL (stderr, logging). What all services' logs have in common: how libraries, warnings and crashes become events like ours.

Libraries speak through `logging`. Theirs are events named `library.said`; what ends a process unforeseen is one, too.
What differs between the services (levels, masks, how a line is written) is in their own `logs` modules.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence

import structlog
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor

FINISH: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)
"""What every event gets, whoever wrote it."""


def renderer() -> Processor:
    """Return what makes a line of an event: one JSON object, or text for people where stderr is a terminal."""
    return structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()


def hear_libraries(finish: Sequence[Processor], render: Processor) -> None:
    """Write what `logging`, Python's warnings and the end of a thread or of the process have to say, as events.

    Args:
        finish: what every event gets.
        render: makes a line of it.
    """
    handler = logging.StreamHandler(sys.stderr)
    before: list[Processor] = [add_logger_name, _as_event, *finish]
    handler.setFormatter(
        ProcessorFormatter(foreign_pre_chain=before, processors=[ProcessorFormatter.remove_processors_meta, render])
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
