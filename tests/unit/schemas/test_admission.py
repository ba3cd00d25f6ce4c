"""Who is not let in by a broker hears why at once: real TLS handshakes, without a broker behind them."""

import contextlib
import socket
import ssl
import threading
import time

import pytest

from deploy.security import certificates
from schemas.admission import AdmissionError, OptionsRefusedError, UnreachedError, admit
from schemas.registry import Registry, RegistryError, RegistryUnavailableError
from schemas.rights import of_sink
from schemas.timeframes import parse_list

RIGHTS = of_sink("md", parse_list("1m"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tls")
    certificates.make(made / "right", {"server": ["127.0.0.1"]}, 1)
    certificates.make(made / "wrong", {}, 1)
    return made


@pytest.fixture(scope="module")
def port(folder):
    """A TLS server that hangs up as soon as it has been trusted."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "right" / "server.pem")

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peer.settimeout(5)
                with contextlib.suppress(OSError), context.wrap_socket(peer, server_side=True) as trusted:
                    trusted.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def options(folder, authority):
    return {"security.protocol": "ssl", "ssl.ca.location": str(folder / authority / "ca.pem")}


def test_authority_that_signed_nothing_is_refused_long_before_the_limit(folder, port):
    began = time.monotonic()
    with pytest.raises(AdmissionError, match="certificate verify failed"):
        admit(f"127.0.0.1:{port}", options(folder, "wrong"), RIGHTS, 30)
    assert time.monotonic() - began < 15


def test_broker_that_is_trusted_and_says_nothing_may_yet_answer(folder, port):
    with pytest.raises(UnreachedError, match=f"127.0.0.1:{port}"):
        admit(f"127.0.0.1:{port}", options(folder, "right"), RIGHTS, 1)


def test_option_that_the_client_does_not_take_is_named():
    with pytest.raises(OptionsRefusedError, match=r"no\.such\.option"):
        admit("127.0.0.1:1", {"no.such.option": "1"}, RIGHTS, 1)


def test_registry_that_is_not_trusted_is_no_registry_to_wait_for(folder, port, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "right" / "ca.pem"))  # ours wins
    with pytest.raises(RegistryError, match="certificate verify failed") as refused:
        Registry(f"https://127.0.0.1:{port}", folder / "wrong" / "ca.pem").versions("x")
    assert not isinstance(refused.value, RegistryUnavailableError)


def test_registry_that_is_trusted_and_hangs_up_may_yet_answer(folder, port):
    with pytest.raises(RegistryUnavailableError):
        Registry(f"https://127.0.0.1:{port}", folder / "right" / "ca.pem").versions("x")


def test_file_of_authorities_that_holds_none_is_said(folder, port, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(RegistryError) as refused:
        Registry(f"https://127.0.0.1:{port}", tmp_path / "ca.pem").versions("x")
    assert not isinstance(refused.value, RegistryUnavailableError)
