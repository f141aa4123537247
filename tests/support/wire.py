"""A wire to a server on loopback that can be held: it takes all and passes nothing on, as a
server that stands still. The trap: what is held is passed on when it is let go."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Wire:
    """`with Wire(port) as wire:` listens on `wire.port`; `hold` and `let_go` at any time."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = threading.Event()
        self._open.set()
        self._ends: list[socket.socket] = []
        self.taken = 0
        """Connections so far."""

    def hold(self) -> None:
        """Pass nothing on from now on."""
        self._open.clear()

    def let_go(self) -> None:
        """Pass on again, what was held first."""
        self._open.set()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._ends):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self.taken += 1
                self._ends += (near, far)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while said := one.recv(65536):
                self._open.wait()
                other.sendall(said)
        with suppress(OSError):  # also where this end was reset: nobody is to wait for it
            other.shutdown(socket.SHUT_RDWR)
