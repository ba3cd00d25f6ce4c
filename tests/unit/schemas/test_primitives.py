import pytest

from schemas.primitives import LAST, LOWEST, MORE, SMALL, int_bytes, long_bytes, text_bytes


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0, b"\0"),
        (-1, b"\1"),
        (1, b"\2"),
        (63, b"\x7e"),
        (64, b"\x80\1"),
        (8191, b"\xfe\x7f"),
        (8192, b"\x80\x80\1"),
        (-(2**63), b"\xff" * 9 + b"\1"),
        (2**63 - 1, b"\xfe" + b"\xff" * 8 + b"\1"),
    ],
)
def test_integers_of_every_length(number, data):
    assert long_bytes(number) == data


def test_tables_have_the_bytes_of_their_numbers():
    assert [len(table) for table in (MORE, LAST, SMALL, LOWEST)] == [1 << 14, 1 << 14, 1 << 13, 1 << 13]
    assert [long_bytes(n) for n in range(1 << 13)] == SMALL
    assert MORE[0b1_0000010] == b"\x82\x81"
    assert LAST[0b1_0000010] == b"\x82\1"
    assert LOWEST[1] == MORE[2]


@pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 2**70])
def test_a_number_beyond_32_bits_is_refused(number):
    with pytest.raises(ValueError, match="32 bits"):
        int_bytes(number)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 2**64 + 1, -(2**90)])
def test_a_number_beyond_64_bits_is_refused(number):
    with pytest.raises(ValueError, match="64 bits"):
        long_bytes(number)


def test_the_smallest_and_the_largest_of_32_bits():
    assert [int_bytes(2**31 - 1), int_bytes(-(2**31))] == [b"\xfe\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x0f"]


def test_a_text_is_preceded_by_the_number_of_its_bytes():
    assert text_bytes("ид") == b"\x08" + "ид".encode()
    assert text_bytes("x" * 200) == b"\x90\x03" + b"x" * 200
