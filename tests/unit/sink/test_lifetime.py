import pytest

from deploy.cassandra.lifetime import lifetime, window_of
from deploy.cassandra.schema import statements
from schemas.timeframes import parse
from sink.retention import days_of
from sink.tables import CANDLE_COLUMNS, COLUMNS

DAY = 86_400


@pytest.mark.parametrize(
    ("days", "window"),
    [
        (0.125, ("MINUTES", 10)),
        (7, ("HOURS", 6)),
        (30, ("DAYS", 1)),
        (90, ("DAYS", 3)),
        (365, ("DAYS", 14)),
        (7300, ("DAYS", 250)),
    ],
)
def test_a_retention_is_cut_into_twenty_to_thirty_windows(days, window):
    assert window_of(round(days * DAY)) == window


def test_tables_that_keep_for_ever_have_no_time_windows():
    assert "Unified" in lifetime(0)
    assert "default_time_to_live = 0 " in lifetime(0)
    assert "TimeWindow" in lifetime(DAY)
    assert "Unified" in lifetime(DAY, windowed=False)


def test_the_grace_is_below_a_short_life():
    assert "gc_grace_seconds = 10800 " in lifetime(30 * DAY)
    assert "gc_grace_seconds = 3600 " in lifetime(10_800)


def test_the_sink_writes_every_column_of_its_tables_and_no_other():
    frames = [parse("10s"), parse("1m")]
    declared: dict[str, list[str]] = {}
    for statement in statements("md", frames, days_of(frames)):
        name = statement.split("md.", 1)[1].split()[0]
        if statement.startswith("ALTER"):
            declared[name].append(statement.split(" ADD IF NOT EXISTS ")[1].split()[0])
        else:
            body = statement.split("(", 1)[1].split("PRIMARY KEY")[0]
            declared[name] = [part.split()[0] for part in body.replace("\n", " ").split(",") if part.strip()]
    del declared["retention"]  # the operators'
    for name, columns in declared.items():
        written = CANDLE_COLUMNS if name.startswith("candles_") else COLUMNS[name]
        assert sorted(columns) == sorted(written.split()), name
