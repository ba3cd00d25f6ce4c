from dataclasses import replace

from schemas.records import FeedStatus
from schemas.timeframes import SECOND
from sink.overrides import Retention
from sink.statuses import StatusBoard

KEEP = Retention({"gaps": 0})
AT = 1_800_000_000 * SECOND


def a_status(second=0, state="live", **changes):
    status = FeedStatus("sim", state, epoch=1, since=AT, sent_at=AT + second * SECOND)
    return replace(status, **changes)


def states(board, *statuses):
    return [
        [row.values[2] for row in board.rows(status, sent_us, KEEP) if row.table == "feed_status"] for status, sent_us in statuses
    ]


def test_the_copies_of_one_status_are_one_write():
    board = StatusBoard()
    assert states(board, *[(a_status(), AT + n) for n in range(4)]) == [["live"], [], [], []]


def test_an_unchanged_state_is_written_once_a_second():
    board = StatusBoard()
    said = states(board, *[(a_status(n / 4), AT + n * SECOND // 4) for n in range(9)])
    assert [bool(s) for s in said] == [n % 4 == 0 for n in range(9)]


def test_a_change_is_written_at_once_and_a_late_copy_does_not_undo_it():
    board = StatusBoard()
    down = a_status(1, "down", since=AT + SECOND)
    assert states(board, (a_status(), AT), (down, AT + 1), (a_status(), AT + 2)) == [["live"], ["down"], []]


def test_the_last_word_wins_although_the_clock_of_a_replay_stands_still():
    board = StatusBoard()
    assert states(board, (a_status(), AT), (a_status(0, "finished"), AT)) == [["live"], ["finished"]]
    assert states(board, (a_status(), AT)) == [[]]


def test_stamps_grow_though_kafka_counts_only_milliseconds():
    board = StatusBoard()
    stamps = [board.rows(a_status(n, state), AT, KEEP)[0].stamp for n, state in enumerate(("live", "down", "live"))]
    assert stamps == sorted(set(stamps))


def test_a_second_run_of_a_recording_wins_over_the_first():
    board = StatusBoard()
    first_run, second_run = a_status(500, "finished"), a_status(0, "live", epoch=2)
    assert states(board, (first_run, AT), (second_run, AT + SECOND), (first_run, AT + 2 * SECOND)) == [["finished"], ["live"], []]


def test_the_log_has_one_row_a_change():
    board = StatusBoard()
    rows = [r for n in range(5) for r in board.rows(a_status(n), AT + n * SECOND, KEEP) if r.table == "feed_status_log"]
    assert len(rows) == 5
    assert len({r[:3] for r in rows}) == 1


def test_after_a_loss_everything_is_said_again():
    board = StatusBoard()
    board.rows(a_status(), AT, KEEP)
    board.forget()
    assert states(board, (a_status(), AT)) == [["live"]]
