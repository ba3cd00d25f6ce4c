import pytest

from producer.ig.sight import Patience, Sight
from producer.ig.verdicts import IN_FLIGHT_US

S = 1_000_000
NOW = 1_795_575_182 * S
PATIENCE = Patience(2000, 2000, 3000)


def beat(at_us):
    return "heartbeat", {"HEARTBEAT": str(at_us // 1000)}, at_us + 40_000


def sight(*states, heartbeat=True):
    """Return a session with its last item at NOW, then the states a second apart, and what each changed."""
    made = Sight(has_heartbeat=heartbeat)
    changes = [made.turned("CONNECTED:WS-STREAMING", NOW - 60 * S, PATIENCE)]
    made.came(*beat(NOW))
    changes += [made.turned(state, NOW + n * S, PATIENCE) for n, state in enumerate(states, 5)]
    return made, changes


def test_session_that_is_recovered_is_no_news():
    made, changes = sight("STALLED", "DISCONNECTED:TRYING-RECOVERY", "CONNECTED:WS-STREAMING")
    assert changes == ["opened", "out_of_sight", "none", "recovered"]
    assert (made.is_connected, made.heard_us) == (True, None)


def test_session_that_is_gone_was_good_until_its_last_item():
    made, changes = sight("DISCONNECTED:TRYING-RECOVERY", "DISCONNECTED:WILL-RETRY")
    assert changes == ["opened", "out_of_sight", "gone"]
    assert made.heard_us == NOW


@pytest.mark.parametrize(
    ("state", "silence_s"), [("STALLED", 4), ("DISCONNECTED:TRYING-RECOVERY", 7), ("DISCONNECTED:WILL-RETRY", 7)]
)
def test_without_a_heartbeat_the_clients_patience_tells_how_long_nothing_came(state, silence_s):
    made = Sight()
    made.turned("CONNECTED:WS-STREAMING", NOW - 600 * S, PATIENCE)
    made.came(*beat(NOW - 300 * S))
    made.turned(state, NOW, PATIENCE)
    assert made.heard_us == NOW - silence_s * S - IN_FLIGHT_US


def test_first_of_several_states_knows_best():
    made, _ = sight("STALLED", "DISCONNECTED:TRYING-RECOVERY", "DISCONNECTED:WILL-RETRY", heartbeat=False)
    assert made.heard_us == max(NOW, NOW + 5 * S - 4 * S - IN_FLIGHT_US)


def test_change_of_transport_is_nothing():
    _, changes = sight("CONNECTED:HTTP-STREAMING", "CONNECTED:WS-STREAMING")
    assert changes == ["opened", "none", "none"]


def test_session_that_never_began_has_no_last_moment():
    made = Sight()
    assert [made.turned(s, NOW, PATIENCE) for s in ("CONNECTING", "DISCONNECTED:WILL-RETRY")] == ["none", "gone"]
    assert (made.is_open, made.heard_us) == (False, None)


def test_end_in_words_comes_after_all_that_was_sent():
    made, _ = sight("DISCONNECTED")
    made.ended()
    assert made.heard_us == NOW
    fresh = Sight()
    fresh.turned("CONNECTED:WS-STREAMING", NOW, PATIENCE)
    fresh.ended()
    assert fresh.heard_us is None
