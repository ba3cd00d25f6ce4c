import json

import pytest
import structlog

from producer import logs

MARKER = "mark/er"


@pytest.fixture(autouse=True)
def _as_before():
    yield
    structlog.reset_defaults()


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_line_is_one_object_with_its_data_as_keys(capsys):
    logs.configure()
    structlog.get_logger().info("feed.went_live", source="x", good_from=1)
    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["source"], line["good_from"]) == ("feed.went_live", "info", "x", 1)


def test_secret_is_in_no_line_however_it_got_there(capsys):
    logs.configure((MARKER, "second"))
    log = structlog.get_logger()
    log.warning("connection.lost", reason=f"GET /?token={MARKER} and mark%2Fer and second")
    try:
        raise ValueError(MARKER)
    except ValueError:
        log.exception("producer.failed")
    for line in lines(capsys):
        text = json.dumps(line)
        assert not any(word in text for word in (MARKER, "mark%2Fer", "second"))
        assert "***" in text
