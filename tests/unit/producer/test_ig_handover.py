from producer.ig.handover import Handover, Note, Overflow, Update


def update(n, epic="A"):
    return Update("price", epic, {"n": str(n)}, ["n"], False)


def everything(handover):
    found = []
    while (event := handover.get(0.0)) is not None:
        found.append(event if isinstance(event, Overflow) else event._replace(at_us=0))
    return found


def test_what_waits_has_the_time_at_which_it_came():
    clock = iter((100, 200, 300))
    handover = Handover(lambda: next(clock))
    handover.update(update(1))
    handover.note(Note("status", text="STALLED"))
    assert [handover.get(0.0).at_us for _ in range(2)] == [100, 200]


def test_things_come_out_in_the_order_in_which_they_went_in():
    handover = Handover(lambda: 5)
    handover.note(Note("status", text="x"))
    handover.update(update(1))
    handover.note(Note("ping", payload=b"p"))
    assert everything(handover) == [Note("status", text="x"), update(1), Note("ping", payload=b"p")]
    assert handover.get(0.0) is None


def test_law_12_bounded_what_does_not_fit_is_counted_and_told_once_with_its_borders():
    clock = iter(range(100, 200))
    handover = Handover(lambda: next(clock), max_updates=2)
    for n in range(5):
        handover.update(update(n, "AABBA"[n]))
    handover.note(Note("lost", "price", "A", 1))
    events = everything(handover)
    assert events[:3] == [update(0, "A"), update(1, "A"), Note("lost", "price", "A", 1)]
    assert {(e.epic, e.lost) for e in events[3:]} == {("B", 2), ("A", 1)}
    assert all(e.from_us < e.to_us for e in events[3:])


def test_overflow_stands_before_the_first_update_that_was_taken_again():
    handover = Handover(lambda: 7, max_updates=1)
    handover.update(update(1))
    handover.update(update(2))
    assert handover.get(0.0)._replace(at_us=0) == update(1)
    handover.update(update(3))
    assert everything(handover) == [Overflow("A", 1, 7, 7), update(3)]
