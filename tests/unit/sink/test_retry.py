import struct

import pytest
from cassandra import (
    AuthenticationFailed,
    InvalidRequest,
    OperationTimedOut,
    Unauthorized,
    Unavailable,
    WriteFailure,
    WriteTimeout,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException, ConnectionShutdown
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError, SyntaxException

from sink.retry import LONGEST_DELAY_S, Verdict, delay_s, judge, node_lost, words


@pytest.mark.parametrize(
    "error",
    [
        WriteTimeout("late", write_type=0),
        WriteFailure("failed", write_type=0),
        Unavailable("alone"),
        OperationTimedOut(),
        NoHostAvailable("none", {}),
        ConnectionException("gone"),
        ConnectionShutdown("gone"),
        ConnectionBusy("full"),
        OverloadedErrorMessage(0, "full", {}),
        IsBootstrappingErrorMessage(0, "young", {}),
        ServerError(0, "oops", {}),
    ],
)
def test_what_passes_by_waiting_is_written_again(error):
    assert judge(error) is Verdict.TRANSIENT


@pytest.mark.parametrize(
    "error",
    [
        Unauthorized("no"),
        AuthenticationFailed("no"),
        SyntaxException(0, "no", {}),
        InvalidRequest("unconfigured table candles_1m"),
        InvalidRequest("Keyspace md does not exist"),
        InvalidRequest("table candles_1m does not exist"),
    ],
)
def test_what_no_waiting_helps_stops_the_sink(error):
    assert judge(error) is Verdict.CONFIGURATION


@pytest.mark.parametrize(
    "error",
    [InvalidRequest("A TTL must be greater or equal to 0"), TypeError("int"), struct.error("range"), OverflowError("big")],
)
def test_what_the_row_is_guilty_of_is_a_dead_letter(error):
    assert judge(error) is Verdict.DATA


def test_what_is_not_known_is_a_mistake_of_ours():
    assert judge(RuntimeError("?")) is Verdict.UNKNOWN


def test_a_lost_connection_is_more_than_a_slow_node():
    assert node_lost(NoHostAvailable("none", {}))
    assert node_lost(ConnectionShutdown("gone"))
    assert not node_lost(WriteTimeout("late", write_type=0))


def test_waits_grow_to_a_limit_and_are_spread():
    assert [delay_s(n, 1.0) for n in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert delay_s(10**6, 1.0) == LONGEST_DELAY_S
    assert delay_s(0, 0.0) == 0.05


@pytest.mark.parametrize(
    ("inner", "verdict"),
    [
        (AuthenticationFailed("bad credentials"), Verdict.CONFIGURATION),
        (OSError(1, "Tried connecting to [('::1', 1)]. Last error: certificate verify failed"), Verdict.CONFIGURATION),
        (ConnectionRefusedError(111, "refused"), Verdict.TRANSIENT),
    ],
)
def test_what_a_node_said_when_it_let_nobody_in_is_what_counts(inner, verdict):
    error = NoHostAvailable("Unable to connect to any servers", {"a": inner})
    assert judge(error) is verdict
    assert words(error) == f"{type(inner).__name__}: {inner}"


def test_a_node_that_said_nothing_is_waited_for():
    assert judge(NoHostAvailable("Unable to connect to any servers", {})) is Verdict.TRANSIENT
    assert words(NoHostAvailable("Unable to connect to any servers", {})).startswith("NoHostAvailable")
