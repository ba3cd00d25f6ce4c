"""Keys that are replaced in their files while the producer runs."""

import pytest
from pydantic import SecretStr

from producer.secret import Secret
from producer.settings import SettingsError


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "key"
    made.write_text("first\n")
    return made


def test_file_is_read_again_and_every_key_it_held_stays_known(file):
    secret = Secret("KEY", SecretStr("not this one"), file)
    assert (secret.read(), secret.known, secret.has_changed()) == ("first", ["first"], False)
    file.write_text("second\n")
    assert secret.has_changed()
    assert (secret.read(), secret.known, secret.has_changed()) == ("second", ["first", "second"], False)
    file.write_text("first\n")
    assert (secret.read(), secret.known) == ("first", ["first", "second"])


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_file_that_is_just_being_replaced_leaves_the_key_as_it_was(file, content):
    secret = Secret("KEY", SecretStr(""), file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert not secret.has_changed()
    assert (secret.read(), secret.known) == ("first", ["first"])
    file.write_text("second")
    assert secret.has_changed()
    assert secret.read() == "second"


def test_key_without_a_file_stays_the_same_and_is_in_no_text(file):
    secret = Secret("KEY", SecretStr("marker"))
    assert (secret.read(), secret.has_changed()) == ("marker", False)
    assert "marker" not in f"{secret!r} {secret}"


def test_key_has_to_be_there_at_the_start(tmp_path):
    with pytest.raises(SettingsError, match="KEY_FILE cannot be read"):
        Secret("KEY", SecretStr(""), tmp_path / "none")
