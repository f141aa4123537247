"""A small real mail server: SMTP with STARTTLS or TLS and a password, on loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from tls_front import _certificate

USER, PASSWORD = "gateway", "password-of-the-relay"


@dataclass
class Taken:
    """A letter as it came."""

    sender: str
    to: list[str]
    sealed: bool
    """It came over TLS."""
    user: str
    message: Message


@dataclass
class MailServer:
    """What it offers, refuses and has taken."""

    port: int
    certificate: Path
    offers_tls: bool = True
    at_once: bool = False
    """TLS from the first byte."""
    refuses: dict[str, str] = field(default_factory=dict)
    """Answers to commands, in the place of the usual ones."""
    taken: list[Taken] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def trusting(self) -> Callable[[], ssl.SSLContext]:
        """How a client comes to believe this server."""
        return lambda: ssl.create_default_context(cafile=str(self.certificate))


class _Talk:
    """One connection."""

    def __init__(self, server: MailServer, connection: socket.socket, tls: ssl.SSLContext) -> None:
        self._server, self._tls = server, tls
        self._sealed = server.at_once
        self._connection = connection
        if server.at_once:
            self._connection = tls.wrap_socket(connection, server_side=True)
        self._file = self._connection.makefile("rwb")
        self._user = ""

    def run(self) -> None:
        self._say("220 relay.test ready")
        sender, to = "", list[str]()
        while line := self._file.readline().decode().strip():
            word = line.split(" ")[0].upper()
            self._server.heard.append(word)
            if word in self._server.refuses:
                self._say(self._server.refuses[word])
            elif word == "EHLO":
                self._greet()
            elif word == "STARTTLS":
                self._say("220 go ahead")
                self._seal()
            elif word == "AUTH":
                self._login(line)
            elif word == "MAIL":
                sender = line.partition("<")[2].partition(">")[0]
                self._say("250 ok")
            elif word == "RCPT":
                to.append(line.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            elif word == "DATA":
                self._say("354 go on")
                message = message_from_bytes(self._body())
                self._server.taken.append(Taken(sender, to, self._sealed, self._user, message))
                to = []
                self._say("250 taken")
            else:
                self._say("221 bye" if word == "QUIT" else "250 ok")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        self._connection.close()

    def _greet(self) -> None:
        offers = ["relay.test"]
        if self._server.offers_tls and not self._sealed:
            offers.append("STARTTLS")
        if self._sealed:
            offers.append("AUTH PLAIN")
        for offer in offers[:-1]:
            self._say(f"250-{offer}")
        self._say(f"250 {offers[-1]}")

    def _seal(self) -> None:
        self._connection = self._tls.wrap_socket(self._connection, server_side=True)
        self._file = self._connection.makefile("rwb")
        self._sealed = True

    def _login(self, line: str) -> None:
        _, user, password = b64decode(line.split(" ")[2]).decode().split("\0")
        if (user, password) == (USER, PASSWORD):
            self._user = user
            self._say("235 welcome")
        else:
            self._say(f"535 no: {password}")

    def _body(self) -> bytes:
        lines = []
        while (line := self._file.readline()) not in (b".\r\n", b""):
            lines.append(line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self._file.write(text.encode() + b"\r\n")
        self._file.flush()


@contextmanager
def mail_server(place: Path) -> Iterator[MailServer]:
    """One on a free port of this machine."""
    certificate = _certificate(place)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = MailServer(listening.getsockname()[1], certificate)
        thread = threading.Thread(target=_accept, args=(server, listening, context), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _accept(server: MailServer, listening: socket.socket, context: ssl.SSLContext) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listening.accept()
            connection.settimeout(10)
            # A client that breaks off is what some tests are about.
            with contextlib.suppress(OSError, ValueError), contextlib.closing(connection):
                talk = _Talk(server, connection, context)
                try:
                    talk.run()
                finally:
                    talk.close()
