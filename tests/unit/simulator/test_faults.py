import pytest

from deploy.simulator.faults import Faults, parse_fault


def test_fault_lasts_its_seconds():
    faults = Faults()
    faults.add(parse_fault({"kind": "repeat", "times": 4, "seconds": 2}), 10.0)
    assert faults.active("repeat", 11.9)["times"] == 4
    assert faults.active("repeat", 12.0) is None
    assert faults.active("drop", 11.0) is None


def test_single_frames_are_taken_once():
    faults = Faults()
    faults.add(parse_fault({"kind": "malformed"}), 0.0)
    assert (faults.take_once(), faults.take_once()) == (["malformed"], [])


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"kind": "fire"},
        {"kind": "drop", "secs": 2},
        {"kind": "drop", "seconds": -1},
        {"kind": "drop", "how": "softly"},
        {"kind": "repeat", "times": 0},
        {"kind": "shuffle", "spread_ms": "1"},
    ],
)
def test_what_is_no_fault_is_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        parse_fault(body)
