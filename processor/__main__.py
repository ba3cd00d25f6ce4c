"""SHELL (process). ``python -m processor``."""

from processor.main import main

main()
