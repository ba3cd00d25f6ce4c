from threading import Thread

from producer.inbox import Inbox


def test_items_come_in_order_with_times_that_never_go_back():
    inbox = Inbox()
    for n in range(5):
        inbox.put(1, "data", bytes([n]))
    items = [inbox.get(0.0) for _ in range(5)]
    assert [i.payload[0] for i in items] == list(range(5))
    assert [i.receive_us for i in items] == sorted(i.receive_us for i in items)
    assert inbox.get(0.0) is None


def test_processed_to_stays_before_what_still_waits():
    inbox = Inbox()
    inbox.put(1, "data", b"x")
    assert inbox.processed_to() < inbox.get(0.0).receive_us <= inbox.processed_to()


def test_full_inbox_holds_its_reader_until_there_is_room():
    inbox = Inbox(max_items=2)
    reader = Thread(target=lambda: [inbox.put(1, "data") for _ in range(4)], daemon=True)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    assert [inbox.get(60.0) is not None for _ in range(4)] == [True] * 4
    reader.join(60)
    assert not reader.is_alive()


def test_full_inbox_lets_its_reader_go_on_when_half_of_it_is_free():
    inbox = Inbox(max_items=4)
    came = []
    reader = Thread(target=lambda: [came.append(n) for n in range(6) if inbox.put(1, "data") is None], daemon=True)
    reader.start()
    reader.join(0.2)
    assert came == [0, 1, 2, 3], "the fifth is in, and holds its reader"
    assert [inbox.get(60.0) is not None for _ in range(2)] == [True] * 2
    reader.join(0.2)
    assert reader.is_alive(), "there is room for one, and it waits for more"
    assert inbox.get(60.0) is not None
    reader.join(60)
    assert not reader.is_alive()


def test_bytes_are_bounded_too():
    inbox = Inbox(max_bytes=10)
    reader = Thread(target=lambda: inbox.put(1, "data", b"x" * 11), daemon=True)
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    inbox.release()
    reader.join(60)
    assert not reader.is_alive()
