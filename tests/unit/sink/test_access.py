import pytest

from sink.access import read


def test_nothing_is_said_where_nothing_is_asked():
    assert read("", None, None).driver_options() == {"ssl_context": None}


def test_the_password_is_the_files_content_without_the_lines_end(tmp_path):
    (tmp_path / "password").write_text(" a b \n")
    access = read("me", tmp_path / "password", None)
    assert (access.user, access.password) == ("me", " a b ")
    assert "auth_provider" in access.driver_options()


@pytest.mark.parametrize("user", ["", "me"])
def test_a_user_without_a_password_or_the_other_way_round_is_refused(tmp_path, user):
    file = None if user else tmp_path / "password"
    with pytest.raises(ValueError, match="belong together"):
        read(user, file, None)


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_a_password_that_cannot_be_read_is_refused_by_the_settings_name(tmp_path, content):
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(ValueError, match="CANDLEWICK_CASSANDRA_PASSWORD_FILE"):
        read("me", tmp_path / "password", None)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_is_none_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(ValueError, match="CANDLEWICK_CASSANDRA_CA_FILE"):
        read("", None, tmp_path / "ca.pem")
