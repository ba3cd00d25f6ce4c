"""Windows put into records: a candle made by its fields has all of them, and is equal to one made by the constructor."""

from __future__ import annotations

from dataclasses import fields

from processor.core.merge import Shown
from processor.core.ohlcv import Window
from processor.core.telling import Origin, candle_of
from schemas.records import Candle
from schemas.timeframes import parse


def test_a_candle_has_every_field_and_equals_one_made_by_the_constructor():
    origin = Origin("sim:X", "sim", "X", "trade", 3, 0)
    made = candle_of(origin, parse("1m"), Shown(Window.blank(0), "vendor", 0, "none"), 1, "final", "none", 7)
    assert list(vars(made)) == [f.name for f in fields(Candle)]
    assert made == Candle(**vars(made))
    assert hash(made) == hash(Candle(**vars(made)))
