"""SHELL (files). Real recorded market data whose candles are known, for the tests that ask whether ours are true."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from tests.support import bequant, dukascopy, lean
from tests.support.recording import Recording

VARIABLE = "E2E_DATA"
_BESIDE_THE_CHECKOUT = Path(__file__).parents[2].parent / "shared" / "data"
RECORDINGS: Mapping[str, Callable[[Path], Recording]] = {
    "fx-oanda": lean.fx_oanda,
    "future-comex": lean.future_comex,
    "bequant": bequant.deliveries,
    "dukascopy": dukascopy.eurusd,
    "equity-usa": lean.equity_usa,
}


class NoDataError(FileNotFoundError):
    """The recordings are not on this machine; the text says where they are looked for."""


def data_folder() -> Path:
    """Return the folder of the recordings.

    Raises:
        NoDataError: it is neither beside the checkout nor where E2E_DATA points.
    """
    folder = Path(os.environ.get(VARIABLE) or _BESIDE_THE_CHECKOUT)
    if not (folder / "MANIFEST.tsv").is_file():
        raise NoDataError(
            f"no recorded market data in {folder}: these tests compare candles with bars that others made of the same ticks. "
            f"Put the recordings into ../shared/data beside the checkout, or set {VARIABLE} to their folder"
        )
    return folder


@cache
def recording(name: str) -> Recording:
    """Return the recording called `name`, read once; raises NoDataError where the data is absent."""
    return RECORDINGS[name](data_folder())
