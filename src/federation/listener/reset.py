"""Ending a connection so that the client cannot take it for an orderly end."""

from __future__ import annotations

import asyncio
import socket
import struct

_LINGER_ZERO = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Drop what is unsent and close with a TCP reset, where the transport is a socket's."""
    wrapped = transport.get_extra_info("socket")
    if wrapped is not None and wrapped.fileno() >= 0:
        # The loops hand out a guarded socket. Another one for the same descriptor, and no copy of
        # it, for a process may have none left.
        borrowed = socket.socket(fileno=wrapped.fileno())
        try:
            borrowed.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        finally:
            borrowed.detach()
    transport.abort()
