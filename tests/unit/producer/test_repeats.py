from producer.repeats import FrameMemory, IdMemory

S = 1_000_000


def test_numeric_ids_are_remembered_exactly_and_per_symbol():
    memory = IdMemory()
    ids = [str(n) for n in (*range(200), 10**30, 0, 199, 10**30)]
    assert [memory.is_repeat("X", i) for i in ids] == [False] * 201 + [True] * 3
    assert not memory.is_repeat("Y", "0")


def test_ids_that_only_look_like_one_number_are_different():
    memory = IdMemory()
    assert [memory.is_repeat("X", i) for i in ("7", "07", "+7", "7", "07", "\u0667", "a", "a")] == [
        False, False, False, True, True, False, False, True,
    ]  # fmt: skip


def frame(memory, now_us, *contents):
    memory.begin_frame(now_us)
    repeats = [memory.is_repeat(c) for c in contents]
    memory.end_frame(now_us)
    return repeats


def test_memory_of_frames_ends_with_the_window():
    memory = FrameMemory(window_us=10 * S)
    assert frame(memory, 0, "a") == [False]
    assert frame(memory, 9 * S, "a") == [True]
    assert frame(memory, 18 * S, "a") == [True]
    assert frame(memory, 29 * S, "a") == [False]


def test_memory_of_frames_is_bounded_and_forgets_the_oldest():
    memory = FrameMemory(max_remembered=2)
    frame(memory, 0, "a", "b", "c")
    assert frame(memory, 1, "b", "c") == [True, True]
    assert frame(memory, 2, "a") == [False]
