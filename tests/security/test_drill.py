"""Candles arrive through TLS, passwords and least rights; whoever is not let in says why in a line, and ends."""

import contextlib
import json
import time

import pytest
from confluent_kafka.admin import AclBindingFilter, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from schemas import topics
from schemas.topics import candles_dataset, topic_name
from tests.security.conftest import grant_all
from tests.support.secured import admin_of
from tests.support.services import Service, candlewick, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SERVICES = ("producer", "processor", "sink")
END_S = 60.0
"""A refusal is told as soon as it comes; what is counted here is mostly Python's start on a busy machine."""
ONE_M = topic_name(candles_dataset("1m"))


def env_of(secured, venue, service):
    env = secured.env(service)
    if service == "producer":
        address = venue.ready["ctl"].removesuffix("/_ctl")
        env |= {
            "FINNHUB_URL": venue.ready["ws"],
            "FINNHUB_REST_URL": f"{address}/api/v1",
            "FINNHUB_TOKEN": "security-drill",
            "FINNHUB_SYMBOLS": ",".join(venue.ready["symbols"]),
            "CANDLEWICK_BOOTSTRAP_DAYS": "0",
        }
    return env


def started(service, env, folder):
    return Service(service, env, folder, *(["finnhub"] if service == "producer" else [])).start()


def end_of(service):
    """Wait for the end; return the exit status, the log's lines of errors, and all lines that are not of a normal run."""
    began = time.monotonic()
    try:
        wait_until(lambda: not service.running, END_S, f"{service.name} to end")
    finally:
        status = service.stop()
    lines = service.log.read_text().splitlines()
    errors = [line for line in lines if '"level": "error"' in line or '"level": "critical"' in line]
    return status, errors, lines, time.monotonic() - began


def forbid(secured, user, kind, name, operation):
    """Take one right away, and return when the broker has done it."""
    principal = f"User:candlewick-{user}"
    wanted = AclBindingFilter(kind, name, ResourcePatternType.LITERAL, principal, None, operation, AclPermissionType.ALLOW)
    admin = admin_of(secured)  # kept: one that goes takes its questions with it
    for done in admin.delete_acls([wanted], request_timeout=60).values():
        assert len(done.result()) == 1, f"there was no such right: {user} {operation} {name}"


@pytest.fixture
def without(secured):
    """A function that takes a right away until the end of the test."""
    yield lambda *right: forbid(secured, *right)
    grant_all(secured)


def rows(secured):
    out = candlewick(secured.env("reader", "reader"), "candles", "--format", "csv", limit_s=120)
    return len(out.splitlines()) - 1


def test_candles_arrive_through_tls_passwords_and_least_rights(secured, venue, tmp_path):
    assert "0 rights made" in grant_all(secured), "the command is not harmless to repeat"
    with contextlib.ExitStack() as ending:
        services = [started(name, env_of(secured, venue, name), tmp_path) for name in SERVICES]
        for service in services:
            ending.callback(service.discard)
        wait_until(lambda: rows(secured) > 0, 180, "candles in Cassandra", services)
        assert [service.stop(60) for service in services] == [0, 0, 0]
    secrets = [file.read_text().strip() for folder in ("kafka", "store") for file in (secured.folder / folder).iterdir()]
    said = "".join(service.log.read_text() for service in services)
    assert not [secret for secret in secrets if secret != "cassandra" and secret in said]
    assert "uthorization" not in said, "a right is missing that no test names"


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("password", "invalid credentials"),
        ("authority", "certificate verify failed"),
        ("registry", "certificate verify failed"),
    ],
)
def test_who_is_not_let_in_says_why_in_a_line_and_ends(secured, venue, tmp_path, name, wrong, words):
    env = env_of(secured, venue, name)
    if wrong == "password":
        env["CANDLEWICK_KAFKA_OPTIONS_FILE"] = str(secured.options(name, password="nonsense"))
    elif wrong == "authority":
        env["CANDLEWICK_KAFKA_OPTIONS_FILE"] = str(secured.options(name, authority="other"))
    else:
        env["CANDLEWICK_REGISTRY_CA_FILE"] = str(secured.folder / "other" / "ca.pem")
    status, errors, lines, seconds = end_of(started(name, env, tmp_path))
    print(f"{name}, wrong {wrong}: {seconds:.1f} s")  # noqa: T201 - what was measured
    assert (status, len(errors)) == (1, 1), lines
    assert words in errors[0]
    assert "nonsense" not in "".join(lines)


@pytest.mark.parametrize(
    ("name", "kind", "resource", "operation", "words"),
    [
        ("producer", ResourceType.TOPIC, topics.TRADES.name(), AclOperation.WRITE, "write md.trades.v1"),
        ("producer", ResourceType.TOPIC, topics.GAPS.name(), AclOperation.READ, "read md.gaps.v1"),
        ("processor", ResourceType.TOPIC, topics.TRADES.name(), AclOperation.READ, "read md.trades.v1"),
        ("processor", ResourceType.TOPIC, topics.changelog_name(), AclOperation.WRITE, "write md-processor-state-changelog"),
        ("sink", ResourceType.TOPIC, ONE_M, AclOperation.READ, f"read {ONE_M}"),
        ("sink", ResourceType.TOPIC, topics.DEAD_LETTERS.name(), AclOperation.WRITE, "write md.dead-letters.v1"),
        ("sink", ResourceType.GROUP, "md-sink", AclOperation.READ, "uthoriz"),
        ("processor", ResourceType.GROUP, "md-processor", AclOperation.READ, "join the group md-processor"),
    ],
)
def test_missing_right_is_named_at_the_start(secured, venue, without, tmp_path, name, kind, resource, operation, words):
    without(name, kind, resource, operation)
    status, errors, lines, seconds = end_of(started(name, env_of(secured, venue, name), tmp_path))
    print(f"{name}, no right to {words}: {seconds:.1f} s")  # noqa: T201 - what was measured
    assert status == 1, lines
    assert len(errors) == 1, lines
    assert words in errors[0]
    assert (f"candlewick-{name}" if kind is ResourceType.TOPIC else resource) in errors[0]


def test_processor_without_any_right_to_its_group_says_so_and_ends(secured, venue, without, tmp_path):
    """Who may not even see the group is refused by whoever is asked for its coordinator, in another way than above."""
    for operation in (AclOperation.READ, AclOperation.DESCRIBE):
        without("processor", ResourceType.GROUP, "md-processor", operation)
    status, errors, lines, seconds = end_of(started("processor", env_of(secured, venue, "processor"), tmp_path))
    print(f"processor, no right to its group at all: {seconds:.1f} s")  # noqa: T201 - what was measured
    assert (status, len(errors)) == (1, 1), lines
    assert "does not allow the user candlewick-processor to join the group md-processor" in errors[0]


@pytest.mark.parametrize(
    ("name", "resource", "operation"),
    [
        ("producer", topics.TRADES.name(), AclOperation.WRITE),
        ("processor", topics.CANDLES_LIVE.name(), AclOperation.WRITE),
        ("processor", topics.TRADES.name(), AclOperation.READ),
        ("sink", topics.CANDLES_LIVE.name(), AclOperation.READ),
    ],
)
def test_right_that_is_taken_away_at_run_time_ends_the_service_with_its_topic(
    secured, venue, without, tmp_path, name, resource, operation
):
    with contextlib.ExitStack() as ending:
        services = {n: started(n, env_of(secured, venue, n), tmp_path) for n in SERVICES}
        for service in services.values():
            ending.callback(service.discard)
        before = rows(secured)
        wait_until(
            lambda: rows(secured) > before or "partitions.assigned" in services["sink"].tail(200),
            180,
            "work",
            list(services.values()),
        )
        wait_until(lambda: '"feed.went_live"' in services["producer"].tail(200), 120, "the feed", list(services.values()))
        wait_until(
            lambda: '"partitions.assigned"' in services["processor"].tail(200), 120, "the processor", list(services.values())
        )
        without(name, ResourceType.TOPIC, resource, operation)
        status, errors, lines, seconds = end_of(services[name])
    print(f"{name}, {operation.name.lower()} {resource} taken away: {seconds:.1f} s")  # noqa: T201 - what was measured
    assert status == 1, lines[-20:]
    # Faust tells the same crash again, once for each of its own services that it ends.
    assert len(errors) == 1 or name == "processor", errors
    assert resource in errors[0]
    assert "uthoriz" in json.loads(errors[0]).__repr__()


def test_processor_whose_right_to_its_group_is_taken_away_at_run_time_says_so_and_ends(secured, venue, without, tmp_path):
    with contextlib.ExitStack() as ending:
        processor = started("processor", env_of(secured, venue, "processor"), tmp_path)
        ending.callback(processor.discard)
        wait_until(lambda: '"partitions.assigned"' in processor.tail(200), 120, "the processor", [processor])
        without("processor", ResourceType.GROUP, "md-processor", AclOperation.READ)
        status, errors, lines, seconds = end_of(processor)
    print(f"processor, right to its group taken away: {seconds:.1f} s")  # noqa: T201 - what was measured
    assert status == 1, lines[-20:]
    assert "md-processor" in errors[0]
    assert "uthoriz" in errors[0]
