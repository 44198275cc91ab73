"""Messages between processes: what is sent arrives; what is no message, or no whole one, is refused."""

import socket
import struct
from collections.abc import Iterator
from threading import Thread

import numpy as np
import pytest

from cosim.engines.rtl.channel import Channel, ChannelClosed, ChannelError, Message


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_what_is_sent_arrives(ends) -> None:
    """More than a socket's buffer holds, every kind of array, empty ones and views included."""
    random = np.random.default_rng(1)
    arrays = {
        "big": random.random((300, 1000)),
        "view": np.arange(20, dtype=np.int16).reshape(4, 5).T,
        "flags": np.array([True, False]),
        "text": np.array("nominal"),
        "number": np.array(7, np.uint64),
        "empty": np.zeros((0, 5), np.uint8),
    }
    sender = Thread(target=Channel(ends[0]).send, args=(Message("run", {"frames": [1, 2], "none": None}, arrays),))
    sender.start()
    message = Channel(ends[1]).receive()
    sender.join()
    assert (message.kind, message.meta) == ("run", {"frames": [1, 2], "none": None})
    assert list(message.arrays) == list(arrays)
    for name, array in arrays.items():
        assert (message.arrays[name].dtype, message.arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(message.arrays[name], array)


def test_messages_keep_their_order(ends) -> None:
    for number in range(3):
        Channel(ends[0]).send(Message("count", {"number": number}))
    assert [Channel(ends[1]).receive().meta["number"] for _ in range(3)] == [0, 1, 2]


def test_a_closed_end_is_seen_on_both_sides(ends) -> None:
    ends[0].close()
    with pytest.raises(ChannelClosed, match="closed"):
        Channel(ends[1]).receive()
    with pytest.raises(ChannelClosed, match="closed"):
        Channel(ends[1]).send(Message("run"))


def test_half_a_message_is_none(ends) -> None:
    ends[0].sendall(struct.pack("<4sI", b"dmsh", 100) + b"{")
    ends[0].close()
    with pytest.raises(ChannelClosed):
        Channel(ends[1]).receive()


def framed(header: bytes) -> bytes:
    return struct.pack("<4sI", b"dmsh", len(header)) + header


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GET / HTTP/1.1\r\n", "begins with"),
        (framed(b"not json"), "no proper header"),
        (framed(b'{"kind": "run"}'), "no proper header"),
        (framed(b'{"kind": "run", "meta": {}, "arrays": [["x", "nonsense", [1]]]}'), "no proper header"),
        (framed(b'{"kind": "run", "meta": {}, "arrays": [["x", "|O", [1]]]}'), "expected numbers or text"),
        (framed(b'{"kind": "run", "meta": {}, "arrays": [["x", "|u1", [-1]]]}'), "expected lengths"),
    ],
)
def test_what_is_no_message_is_refused(ends, data: bytes, message: str) -> None:
    ends[0].sendall(data)
    with pytest.raises(ChannelError, match=message):
        Channel(ends[1]).receive()


def test_a_time_out_is_that_of_the_socket(ends) -> None:
    ends[1].settimeout(0.01)
    with pytest.raises(TimeoutError):
        Channel(ends[1]).receive()
