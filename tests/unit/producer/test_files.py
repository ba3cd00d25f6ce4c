import gzip
import json

import pytest

from producer.errors import FatalError
from producer.files import MAX_LINE, lines_of, survey_files


def row(symbol, event, kind="trade"):
    prices = {"price": 1, "size": 1} if kind == "trade" else {"bid": 1, "ask": 2}
    return json.dumps({"type": kind, "symbol": symbol, "event_time_us": event, **prices}).encode()


def test_gzip_is_known_by_its_bytes(tmp_path):
    (tmp_path / "plain").write_bytes(b"a\r\nb\n\nc")
    (tmp_path / "packed.txt").write_bytes(gzip.compress(b"a\nb\n\nc"))
    assert list(lines_of(tmp_path / "plain")) == list(lines_of(tmp_path / "packed.txt")) == [b"a", b"b", b"", b"c"]


def test_empty_file_has_no_lines(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    assert list(lines_of(tmp_path / "f")) == []


def test_endless_line_comes_in_bounded_pieces(tmp_path):
    (tmp_path / "f").write_bytes(b"x" * (2 * MAX_LINE + 5) + b"\nlast\n")
    assert [len(part) for part in lines_of(tmp_path / "f")] == [MAX_LINE, MAX_LINE, 5, 4]


@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: data[:20] + b"\0\0\0\0" + data[24:]])
def test_damaged_gzip_is_found_before_anything_is_published(tmp_path, damage):
    (tmp_path / "f.gz").write_bytes(damage(gzip.compress(bytes(range(256)) * 50)))
    with pytest.raises(FatalError, match="cannot be read"):
        survey_files([tmp_path / "f.gz"])


def test_missing_file_is_fatal(tmp_path):
    with pytest.raises(FatalError, match="cannot be read"):
        survey_files([tmp_path / "absent"])


def test_plan_holds_each_series_earliest_record_and_skips_what_is_none(tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_bytes(b"\n".join([row("A", 500), b"nonsense", row("A", 300), row("A", 400, "quote")]))
    second.write_bytes(b"\n".join([row("B", 900), row("A", 350)]))
    plan = survey_files([first, second])
    assert plan.earliest_us == {("A", "trades"): 300, ("A", "quotes"): 400, ("B", "trades"): 900}
    assert (plan.lines, plan.good_from) == (6, 0)
