"""SHELL (stderr). How the producer writes its log: one JSON object a line, or text for people where stderr is a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import structlog
from structlog.typing import EventDict

from producer.scrub import scrubber
from schemas.logs import FINISH, hear_libraries, renderer

_OURS = ("event", "level", "timestamp")  # written by us: a key that is a common word must not spoil them


def configure(secrets: Sequence[str] = ()) -> None:
    """Set up structlog and `logging` for this process; what websockets' and vendors' clients say are events, too.

    Events are named ``noun.past_verb``; data are keys, never part of the text.

    Args:
        secrets: what no line may hold, whoever wrote it, with what is added to them later; who knows them calls this again.
    """
    without = scrubber(secrets)

    def scrubbed(_logger: object, _method: str, event: EventDict) -> EventDict:
        return {key: without(value) if isinstance(value, str) and key not in _OURS else value for key, value in event.items()}

    render = renderer()
    finish = [*FINISH, scrubbed]
    structlog.configure(
        processors=[*finish, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    hear_libraries(finish, render)
