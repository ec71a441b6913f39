"""What only the system knows of a connection, or can be told of it."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Final

_RESET: Final = struct.pack("ii", 1, 0)
"""For SO_LINGER: to close is to reset."""


def reset_when_closed(transport: asyncio.Transport) -> None:
    """Let the other end see a reset when the connection is closed."""
    sock: socket.socket = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def untaken(transport: asyncio.Transport) -> int:
    """Bytes that the other end has not taken, here and in the system's buffer."""
    size = transport.get_write_buffer_size()
    if not size:
        return 0
    sock: socket.socket = transport.get_extra_info("socket")
    try:
        queued: bytes = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
    except OSError:
        return size
    return size + int.from_bytes(queued, sys.byteorder)
