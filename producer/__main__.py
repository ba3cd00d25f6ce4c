"""SHELL (process). ``python -m producer <provider>`` and ``python -m producer replay FILE...``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import structlog

from producer import logs
from producer.errors import FatalError
from producer.main import run_provider, run_replay
from producer.pace import parse_rate
from producer.providers import MODULES
from producer.settings import SettingsError, load


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m producer", description="Brings a source's data into Kafka.")
    sources = parser.add_subparsers(dest="source_kind", required=True)
    for name in MODULES:
        sources.add_parser(name, help=f"serve {name}; its settings begin with {name.upper()}_")
    replay = sources.add_parser("replay", help="play recordings: JSON Lines, plain or gzip")
    replay.add_argument("files", nargs="+", type=Path, metavar="FILE")
    replay.add_argument("--source", default="replay", help="first part of the series' names")
    replay.add_argument("--rate", default="max", type=parse_rate, help="records a second, max or realtime")
    replay.add_argument("--finish", action="store_true", help="say at the end that the recording is over")
    return parser.parse_args()


def main() -> int:
    """Run and return the exit status: 0 after an orderly end, 1 for a fatal error, 2 for wrong settings."""
    arguments = _arguments()
    logs.configure()
    log = structlog.get_logger()
    try:
        settings = load()
        if arguments.source_kind == "replay":
            run_replay(settings, arguments.files, arguments.source, arguments.rate, finish=arguments.finish)
        else:
            run_provider(settings, arguments.source_kind)
    except SettingsError as error:
        log.error("settings.refused", reason=str(error))
        return 2
    except FatalError as error:
        log.error("producer.failed", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
