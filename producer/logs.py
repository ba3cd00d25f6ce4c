"""SHELL (stderr). How the producer writes its log: one JSON object a line, or text for people where stderr is a terminal.

Libraries speak through `logging` (websockets, ccxt, Python's own warnings). Theirs are events like ours, `library.said`.
"""

from __future__ import annotations

import logging
import sys
import threading

import structlog
from structlog.stdlib import ProcessorFormatter, add_logger_name
from structlog.typing import EventDict, Processor

from producer.scrub import scrubber

_OURS = ("event", "level", "timestamp")  # written by us: a key that is a common word must not spoil them


def configure(secrets: tuple[str, ...] = ()) -> None:
    """Set up structlog for this process. Events are named ``noun.past_verb``; data are keys, never part of the text.

    Args:
        secrets: what no line may hold, whoever wrote it; who knows them calls this again.
    """
    without = scrubber(secrets)

    def scrubbed(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {key: without(value) if isinstance(value, str) and key not in _OURS else value for key, value in event.items()}

    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    finish: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        scrubbed,
    ]
    structlog.configure(
        processors=[*finish, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    before: list[Processor] = [add_logger_name, _as_event, *finish]
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
