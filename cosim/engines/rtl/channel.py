"""Messages with arrays between two processes over a socket: JSON for what is small, arrays as they lie in memory.

A frame is the magic, the length of the header, the header and the arrays' bytes one after the other. Nothing is
pickled, and an array arrives in one copy.
"""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.errors import UserError
from cosim.files.json_text import from_json, to_json

__all__ = ["Channel", "ChannelClosed", "ChannelError", "Message"]

_MAGIC = b"dmsh"
_LENGTH = struct.Struct("<4sI")
#: A header holds names and numbers; what is longer than this is something else.
_LONGEST_HEADER = 1 << 26
#: Kinds of numpy types that are bytes and nothing else: bool, integers, floats, text.
_KINDS = "biufU"


class ChannelError(UserError, RuntimeError):
    """What arrived is no message; the message says what was expected."""


class ChannelClosed(ChannelError):
    """The other side has closed its end, or is gone."""


@dataclass(frozen=True)
class Message:
    """One message: what it is, what JSON holds, and arrays by name."""

    kind: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray] = field(default_factory=dict)


class Channel:
    """One end of a connection.

    Parameters
    ----------
    end : socket.socket
        Connected, of type SOCK_STREAM; its time-out holds for every wait of `send` and `receive`.

    Raises
    ------
    ChannelClosed
        From `send` and `receive`, if the other end is closed.
    ChannelError
        From `receive`, on anything that `send` did not write.
    TimeoutError
        From both, if the socket has a time-out and nothing moves for so long.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(self, message: Message) -> None:
        """Send a message; arrays may have any order in memory."""
        arrays = {name: np.asarray(array, order="C") for name, array in message.arrays.items()}
        shapes = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
        header = to_json({"kind": message.kind, "meta": message.meta, "arrays": shapes}).encode()
        try:
            self._end.sendall(_LENGTH.pack(_MAGIC, len(header)) + header)
            for array in arrays.values():
                if array.size:
                    self._end.sendall(array.reshape(-1).view(np.uint8).data)
        except (BrokenPipeError, ConnectionResetError):
            raise ChannelClosed("the other side has closed the channel") from None

    def receive(self) -> Message:
        """Wait for the next message."""
        magic, length = _LENGTH.unpack(self._exactly(bytearray(_LENGTH.size)))
        if magic != _MAGIC or length > _LONGEST_HEADER:
            raise ChannelError(f"expected a message that begins with {_MAGIC!r}, got {magic!r}")
        try:
            header = from_json(bytes(self._exactly(bytearray(length))))
            kind, meta = header["kind"], header["meta"]
            shapes = [(str(name), np.dtype(text), tuple(shape)) for name, text, shape in header["arrays"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ChannelError(f"a message has no proper header ({type(error).__name__}: {error})") from None
        arrays = {}
        for name, dtype, shape in shapes:
            if dtype.kind not in _KINDS:
                raise ChannelError(f"array {name!r} of a message is of type {dtype}; expected numbers or text")
            if not all(isinstance(length, int) and length >= 0 for length in shape):
                raise ChannelError(f"array {name!r} of a message has the shape {shape}; expected lengths, 0 or more")
            data = np.empty(prod(shape) * dtype.itemsize, np.uint8)
            self._exactly(data.data if data.size else bytearray())
            arrays[name] = data.view(dtype).reshape(shape)
        return Message(kind, meta, arrays)

    def close(self) -> None:
        """Close this end; the other one sees `ChannelClosed`."""
        self._end.close()

    def _exactly(self, buffer: bytearray | memoryview) -> bytearray | memoryview:
        """Fill a buffer."""
        left = memoryview(buffer).cast("B") if len(buffer) else memoryview(b"")
        while left:
            try:
                count = self._end.recv_into(left)
            except ConnectionResetError:
                count = 0
            if not count:
                raise ChannelClosed("the other side has closed the channel")
            left = left[count:]
        return buffer
