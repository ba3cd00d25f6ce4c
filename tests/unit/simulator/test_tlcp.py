from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.simulator.tlcp import MAX_LOG, Session, encode_row, parse_frame, parse_lines


def session():
    return Session("S1", "ABC", 2000)


def add(text="LS_reqId=1&LS_op=add&LS_subId=3&LS_mode=MERGE&LS_group=PRICE%3AABC%3AX&LS_schema=BID%20ASK"):
    (request,) = parse_frame(f"control\r\n{text}")
    return request


def lines(taken):
    return [line for line, _ in taken]


def test_frame_names_the_request_and_each_line_holds_one_set_of_parameters():
    first, second = parse_frame("control\r\nLS_reqId=1&LS_op=add\r\nLS_reqId=2&LS_op=delete")
    assert (first.name, first.get("LS_op"), second.get("LS_reqId")) == ("control", "add", "2")
    assert [r.parameters for r in parse_frame("wsok")] == [{}]
    assert parse_lines("bind_session", "LS_session=S1\r\n")[0].get("LS_session") == "S1"


@pytest.mark.parametrize(
    ("values", "before", "row"),
    [
        (["20:00:33", "3.04", None, ""], None, "20:00:33|3.04|#|$"),
        (["20:00:54", "3.04", None, ""], ["20:00:33", "3.04", None, ""], "20:00:54|^3"),
        (["20:00:54", "3.05", None, ""], ["20:00:54", "3.04", None, ""], "|3.05|^2"),
        (["a", "b", "c"], ["a", "b", "c"], "^3"),
        (["a"], ["a"], ""),
        (["#1", "$", "^2", "x|y", "50%\r\n"], None, "%231|%24|%5E2|x%7Cy|50%25%0D%0A"),
    ],
)
def test_row_is_written_as_the_protocol_says(values, before, row):
    assert encode_row(values, before) == row


def test_subscription_is_acknowledged_and_its_first_update_is_complete():
    made = session()
    target = made.subscribe(add())
    made.update(target, ["1.1", "1.2"])
    made.update(target, ["1.1", "1.3"], mark="entry")
    assert made.take() == [
        ("SUBOK,3,1,2", None), ("CONF,3,unlimited,filtered", None), ("U,3,1,1.1|1.2", None), ("U,3,1,|1.3", "entry"),
    ]  # fmt: skip
    assert made.take() == []
    made.overflow(target, 4)
    assert made.unsubscribe(3)
    assert not made.unsubscribe(3)
    assert lines(made.take()) == ["OV,3,1,4", "UNSUB,3"]


def test_recovery_writes_again_what_the_client_has_not_got():
    made = session()
    target = made.subscribe(add())
    for n in range(5):
        made.update(target, [str(n), "x"])
    everything = lines(made.take())
    assert made.recover(4)
    assert lines(made.take()) == everything[4:]
    assert not made.recover(len(everything) + 1)


def test_what_was_never_written_is_known():
    made = session()
    target = made.subscribe(add())
    for n in range(3):
        made.update(target, [str(n), "x"], mark=n)
    made.take(3)
    assert list(made.unwritten()) == [1, 2]


def test_law_12_bounded_lines_too_old_cannot_be_asked_for_again():
    made = session()
    for n in range(MAX_LOG + 10):
        made.add(f"U,{n}")
    assert (made.first, made.last) == (10, MAX_LOG + 10)
    assert not made.recover(9)
    assert made.recover(10)
    assert lines(made.take(1)) == ["U,10"]


VALUES = st.none() | st.sampled_from(["", "1.5", "#", "$x", "^3", "a|b", "50%", "\r\n"])


@given(st.lists(st.lists(VALUES, min_size=4, max_size=4), min_size=1, max_size=6))
def test_rows_are_read_back_as_they_were(rows):
    before = None
    for row in rows:
        assert decoded(encode_row(row, before), before) == row
        before = row


def decoded(text, before):
    """Return the row, read by the protocol's rules."""
    row = []
    for token in text.split("|"):
        if token == "":
            row.append(before[len(row)])
        elif token in ("#", "$"):
            row.append(None if token == "#" else "")
        elif token[0] == "^":
            row += before[len(row) : len(row) + int(token[1:])]
        else:
            row.append(unquote(token))
    return row
