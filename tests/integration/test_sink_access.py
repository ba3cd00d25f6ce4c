"""A Cassandra that asks for passwords and speaks TLS: what each role may do, and one clear line where it may not."""

import time

import pytest

from deploy.cli.targets import artifacts_folder
from deploy.local.artifacts import exclusively, install, missing
from schemas.timeframes import MINUTE
from sink import access
from tests.support.feeding import a_candle, feeding
from tests.support.guarded import guarded_cassandra
from tests.support.services import Service, candlewick, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SETTINGS = {"CANDLEWICK_TIMEFRAMES": "1m", "CANDLEWICK_PARTITIONS": "1", "CANDLEWICK_COMMIT_LAG_S": "0"}
PASSWORDS = {"schema": "a'b;c--d", "sink": "s$ink", "reader": "re ader", "wrong": "nonsense"}


@pytest.fixture(scope="module")
def guarded(make_space, tmp_path_factory):
    """A space whose services are sent to a node that lets nobody in without a password; its roles are made."""
    folder = tmp_path_factory.mktemp("guarded")
    with exclusively(artifacts_folder()):
        if missing(artifacts_folder()):
            install(artifacts_folder(), lambda _server, _bytes: None)
    for name, password in (PASSWORDS | {"superuser": "cassandra"}).items():
        (folder / name).write_text(password + "\n")
    space = make_space(SETTINGS)
    with guarded_cassandra(folder / "node") as address:
        env = space.env | {"CANDLEWICK_CASSANDRA": address, "CANDLEWICK_CASSANDRA_CA_FILE": str(folder / "node" / "ca.pem")}

        def of(role):
            user = "cassandra" if role == "superuser" else f"{space.keyspace}_{role}"
            return env | {"CANDLEWICK_CASSANDRA_USER": user, "CANDLEWICK_CASSANDRA_PASSWORD_FILE": str(folder / role)}

        candlewick(of("superuser"), "store", "apply")
        said = candlewick(of("superuser"), "store", "roles", "--passwords", str(folder))
        assert not any(password in said for password in PASSWORDS.values())
        yield space, of, folder


def test_each_role_does_its_work_and_no_other_over_tls(guarded, tmp_path):
    space, of, _ = guarded
    assert "nothing to change" in candlewick(of("schema"), "store", "apply")
    candlewick(of("schema"), "retention", "set", "sim:*", "1m", "60d")
    sink = Service("sink", of("sink"), tmp_path).start()
    try:
        with feeding(space) as feed:
            feed.send([a_candle(time.time_ns() // 1000 // MINUTE * MINUTE, 1)])
        wait_until(lambda: "sim:X" in candlewick(of("reader"), "candles", "--format", "csv"), 60, "the row", [sink])
        assert "retention.changed" in sink.tail(100)
        assert sink.stop() == 0
    finally:
        sink.discard()
    candlewick(of("reader"), "retention", "set", "sim:*", "1m", "1d", status=1)
    candlewick(of("reader"), "store", "apply", status=0)  # nothing to change, so nothing is refused
    candlewick(of("sink"), "candles", status=1)
    assert "60d" in candlewick(of("reader"), "retention", "show")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"CANDLEWICK_CASSANDRA_PASSWORD_FILE": "wrong"}, 1, "AuthenticationFailed"),
        ({"CANDLEWICK_CASSANDRA_USER": "", "CANDLEWICK_CASSANDRA_PASSWORD_FILE": ""}, 1, "AuthenticationFailed"),
        ({"CANDLEWICK_CASSANDRA_CA_FILE": "node/other/ca.pem"}, 1, "certificate verify failed"),
        ({"CANDLEWICK_CASSANDRA_CA_FILE": "nowhere"}, 2, "CANDLEWICK_CASSANDRA_CA_FILE"),
        ({"CANDLEWICK_CASSANDRA_USER": ""}, 2, "CANDLEWICK_CASSANDRA_USER"),
    ],
)
def test_a_sink_that_is_not_let_in_says_why_in_a_line_and_ends(guarded, tmp_path, changes, status, words):
    _, of, folder = guarded
    paths = {name: str(folder / value) if value and name.endswith("_FILE") else value for name, value in changes.items()}
    sink = Service("sink", of("sink") | paths, tmp_path).start()
    try:
        wait_until(lambda: not sink.running, 60, "the end")
    finally:
        ended = sink.stop()
    lines = [line for line in sink.tail(100).splitlines() if "metrics.opened" not in line]
    assert (ended, len(lines)) == (status, 1), sink.tail(100)
    assert words in lines[0]
    assert "nonsense" not in lines[0]


def test_a_role_without_its_right_is_said(guarded, tmp_path):
    space, of, _ = guarded
    sink = Service("sink", of("reader"), tmp_path).start()
    try:
        with feeding(space) as feed:
            feed.send([a_candle(time.time_ns() // 1000 // MINUTE * MINUTE, 2)])
        wait_until(lambda: not sink.running, 60, "the end")
    finally:
        ended = sink.stop()
    assert (ended, "no MODIFY permission" in sink.tail(3)) == (1, True), sink.tail()


def test_a_password_is_not_shown():
    assert "hidden" not in repr(access.Access("me", "hidden"))
