"""Certificates of a private authority: trusted by its file, for the names that were asked for, readable by their owner alone."""

import socket
import ssl
import threading

import pytest
from click.testing import CliRunner

from deploy.cli.certificates import certificates as command
from deploy.security.certificates import CertificateError, make


def handshake(folder, authority, name):
    """Shake hands as a client that calls the server `name`; raises what the client raises."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / "server.crt", folder / "server.key")
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)

    def serve():
        try:
            serving.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with ssl.create_default_context(cafile=authority).wrap_socket(ours, server_hostname=name):
            pass
    finally:
        ours.close()
        thread.join(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tls")
    make(made, {"server": ["kafka.example", "127.0.0.1"]}, 1)
    return made


@pytest.mark.parametrize("name", ["kafka.example", "127.0.0.1"])
def test_server_is_trusted_by_the_names_it_was_made_for(folder, name):
    handshake(folder, folder / "ca.pem", name)


def test_other_name_or_other_authority_is_refused(folder, tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(folder, folder / "ca.pem", "other.example")
    make(tmp_path, {}, 1)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(folder, tmp_path / "ca.pem", "kafka.example")


def test_private_keys_are_their_owners_alone(folder):
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in folder.iterdir()}
    private = {"ca.key", "server.key", "server.pem"}
    assert {name for name, mode in modes.items() if mode == "0o600"} == private
    assert {modes["ca.pem"], modes["server.crt"]} == {"0o644"}


def test_authority_stays_when_another_server_is_added(tmp_path):
    make(tmp_path, {"server": ["127.0.0.1"]}, 1)
    before = (tmp_path / "ca.pem").read_bytes()
    done = CliRunner().invoke(command, [str(tmp_path), "--server", "another=localhost"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "ca.pem").read_bytes() == before
    handshake(tmp_path, tmp_path / "ca.pem", "127.0.0.1")


@pytest.mark.parametrize("name", ["ca", "../x", ""])
def test_name_that_is_no_servers_is_refused(tmp_path, name):
    with pytest.raises(CertificateError):
        make(tmp_path, {name: ["localhost"]}, 1)
    assert list(tmp_path.iterdir()) == []


def test_half_an_authority_is_not_replaced(tmp_path):
    make(tmp_path, {}, 1)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(CertificateError, match="cannot be read"):
        make(tmp_path, {}, 1)
