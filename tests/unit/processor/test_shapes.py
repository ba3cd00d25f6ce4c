"""State as it is written: by functions made from the shapes, and the very bytes that the library would write."""

from hypothesis import given
from hypothesis import strategies as st

from processor.core.ohlcv import Window
from processor.core.shapes import CHUNK, HOT, KEY, write, write_chunk, write_hot

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
WIDE = st.integers(-(1 << 127), (1 << 127) - 1)
DOUBLES = st.floats(allow_nan=False)
KEYS = st.tuples(*[LONGS] * 4)
PLAIN = {
    **dict.fromkeys(("start", "trades", "updates", "late", "offset", "published"), LONGS),
    **dict.fromkeys(("open", "high", "low", "close"), DOUBLES),
}
WINDOWS = st.lists(
    st.fixed_dictionaries(
        PLAIN
        | dict.fromkeys(("size_n", "buy_n", "notional_n"), WIDE)
        | {"fingerprint": st.integers(0, (1 << 64) - 1), "open_key": KEYS, "close_key": KEYS}
    ),
    max_size=3,
)
MAYBE = st.none() | LONGS
TOLD = st.fixed_dictionaries(
    {"start": LONGS, "cause": st.text(max_size=9), "end": MAYBE, "missing": MAYBE, "state": st.text(max_size=9)}
    | {"why_not": st.text(max_size=9), "derived": st.booleans()}
)


def windows_of(rows):
    made = []
    for row in rows:
        window = Window.blank(0)
        for name, value in row.items():
            setattr(window, name, value)
        made.append(window)
    return made


def flat(row):
    values = {name: row[name] for name in PLAIN}
    values |= {f"{end}_{name}": row[f"{end}_key"][i] for end in ("open", "close") for i, name in enumerate(KEY)}
    values |= {name: row[name].to_bytes(16, "little", signed=True) for name in ("size_n", "buy_n", "notional_n")}
    return values | {"fingerprint": (row["fingerprint"] ^ 1 << 63) - (1 << 63)}


@given(WINDOWS)
def test_closed_windows_are_written_as_the_library_writes_them(rows):
    values = {"partition": 3, "timeframe": "1m"}
    assert write_chunk({**values, "windows": windows_of(rows)}) == write(CHUNK, {**values, "windows": [flat(r) for r in rows]})


@given(WINDOWS, WINDOWS, st.lists(TOLD, max_size=3), MAYBE, LONGS)
def test_a_series_hot_part_is_written_as_the_library_writes_it(first, second, told, maybe, number):
    values = dict.fromkeys(("run", "taken", "mark", "watermark", "floor"), number)
    values |= {"partition": 2, "source": "sim", "symbol": "\u00c4:1", "price": "mid", "ended": bool(told), "told": told}
    values |= dict.fromkeys(("first", "good_from"), maybe)
    values["numbers"] = [{"epoch": number, "first": 1, "first_time": 2, "last": 3, "last_time": 4}]
    values["lost"] = [{"start": 1, "end": 2, "cause": "overflow", "known_to": 3, "missing": maybe, "detail": ""}]
    values["answers"] = [
        {
            "cause": "feed_down",
            "since": 1,
            "outcome": "filled",
            "start": 1,
            "end": 2,
            "reason": "",
            "retry_at": maybe,
            "candles": True,
        }
    ]
    values["bootstraps"] = [{"start": number, "end": number}]

    def of(windows):
        return {**values, "frames": [{"timeframe": "1m", "windows": windows[0]}, {"timeframe": "5m", "windows": windows[1]}]}

    dumped = of([[flat(row) for row in rows] for rows in (first, second)])
    assert write_hot(of([windows_of(first), windows_of(second)])) == write(HOT, dumped)
