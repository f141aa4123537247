"""A loopback HTTP server that answers official clients with what a client face writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

from federation.schema.http import ClientReply, ClientRequest


@dataclass
class Told:
    """What the server answers: pieces of a body, sent one by one."""

    status: int
    content_type: str
    pieces: list[bytes]
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


Answer = Callable[[ClientRequest], Told]


def told(reply: ClientReply) -> Told:
    """A rendered error as an answer."""
    assert isinstance(reply.body, bytes)
    return Told(reply.status, "application/json", [reply.body], reply.headers[1:])


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a server that answers so, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            path, _, query = self.path.partition("?")
            headers = {
                name.lower().encode(): value.encode() for name, value in self.headers.items()
            }
            request = ClientRequest(
                self.command, unquote(path), query, headers, self.rfile.read(length)
            )
            reply = answer(request)
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            for name, value in reply.headers:
                self.send_header(name.decode(), value.decode())
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in reply.pieces:
                if piece:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *args: object) -> None:
            """Say nothing: pytest's output is the report."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
