"""SHELL (process). ``python -m sink``."""

from sink.main import main

main()
