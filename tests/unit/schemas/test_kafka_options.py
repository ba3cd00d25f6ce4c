"""Options of Kafka's clients out of a file: added, never overriding in silence, and never quoted."""

import pytest

from schemas.kafka_options import with_file


def test_file_adds_to_what_is_set(tmp_path):
    file = tmp_path / "options.json"
    file.write_text('{"sasl.password": "marker-7f3a"}')
    assert with_file({"sasl.username": "me"}, file) == {"sasl.username": "me", "sasl.password": "marker-7f3a"}
    assert with_file({"sasl.username": "me"}, None) == {"sasl.username": "me"}


@pytest.mark.parametrize("text", ['{"sasl.username": "marker-7f3a"}', '["marker-7f3a"]', '{"marker-7f3a', b"\xff\xfemarker-7f3a"])
def test_file_that_cannot_be_followed_is_named_without_its_text(tmp_path, text):
    file = tmp_path / "options.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="CANDLEWICK_KAFKA_OPTIONS_FILE") as refused:
        with_file({"sasl.username": "me"}, file)
    assert "marker-7f3a" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.json"):
        with_file({}, tmp_path / "nowhere.json")
