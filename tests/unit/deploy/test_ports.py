"""Busy ports are left to who has them."""

import socket

import pytest

from deploy.local import ports


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])
def busy(request):
    with socket.socket() as listener:
        listener.bind((request.param, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_seen_on_whatever_address_it_is_taken(busy):
    assert not ports.free(busy)
    assert ports.listening(busy)


def test_a_busy_port_is_replaced_and_a_free_one_kept(busy):
    free = ports.choose({"x": 0})["x"]
    chosen = ports.choose({"a": busy, "b": free})
    assert chosen["b"] == free
    assert chosen["a"] != busy
    assert ports.free(chosen["a"])


def test_every_name_gets_a_port_of_its_own():
    free = ports.choose({"x": 0})["x"]
    chosen = ports.choose({"a": free, "b": free, "c": 0, "d": 0}, frozenset({free + 1}))
    assert chosen["a"] == free
    assert len(set(chosen.values())) == 4
    assert free + 1 not in chosen.values()
