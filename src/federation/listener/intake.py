"""Bytes in, checked requests out: the HTTP/1.x parser and every limit on what arrives.

No socket and no clock: the connection feeds it, and decides about time. Two things to know.
The parser cannot be paused, so one `feed` may complete several requests: `ready` is a queue, and
nobody feeds while a request waits there. And the parser only judges: it is given no callback for
header fields (a call for each was half of this room's cost), and once it has accepted a head, the
fields are cut out of the very bytes that it accepted. Its grammar is strict (CRLF only, no folded
lines), so what it accepts is cut exactly.
"""

from __future__ import annotations

import re
from collections import deque

import httptools
import msgspec

from federation.domain.routes import ListenerLimits
from federation.errors import (
    CallerError,
    FederationError,
    HeadersTooLarge,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMedia,
)
from federation.listener.habits import Habit, habit_of
from federation.listener.heads import Scissors
from federation.listener.inflate import CODINGS
from federation.listener.target import split_target
from federation.schema.http import ClientRequest, Headers

BETWEEN, HEAD, BODY = range(3)
"""Phases of an intake: nothing of a request has come, part of its head, part of its body."""

_LINE_BREAKS = b"\r\n"
_HOST = re.compile(rb"(?:\[[\w.:%~-]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?", re.ASCII)
"""RFC 9110, section 7.2. It chooses nothing here, but whoever stands before us may go by it."""
_PIPELINED = 32
# A chunk of one byte costs five bytes of framing: this leaves room for it and for extensions
# of ordinary size, and none for chunk extensions or trailers sent as a way to keep us busy.
_FRAMING_RATIO = 8


class Inbound(msgspec.Struct):
    """A complete request and how its connection is to be treated after the answer."""

    request: ClientRequest
    keep_alive: bool
    old: bool
    """HTTP/1.0: no chunked answers, and the connection ends unless it was asked to stay."""
    coding: bytes
    """How the body is still compressed; empty where it is not."""


class Intake:
    """One connection's parser.

    `feed` raises a `FederationError` for what is refused; after that the intake is of no
    further use, and requests in `ready` were complete before the fault.
    """

    __slots__ = (
        "_body",
        "_body_size",
        "_coding",
        "_declined",
        "_due",
        "_framing_size",
        "_habit",
        "_headers",
        "_keep_alive",
        "_length",
        "_limits",
        "_line",
        "_parser",
        "_peer",
        "_raw",
        "_scissors",
        "_start",
        "expects",
        "phase",
        "ready",
    )

    def __init__(self, limits: ListenerLimits, peer: str = "") -> None:
        self._limits = limits
        self._peer = peer
        self._parser = httptools.HttpRequestParser(self)
        self.ready: deque[Inbound] = deque()
        self.phase = BETWEEN
        self.expects = False
        """The client waits for `100 Continue` before it sends the body."""
        self._scissors = Scissors()
        self._raw = b""
        self._start = 0
        """Where in `_raw` the next head begins; negative where only the parser could know."""
        self._length = 0
        """The announced length of the body; negative where it comes in chunks."""
        self._framing_size = 0
        self._body: bytes | bytearray = b""
        self._body_size = 0
        self._habit: Habit | None = None
        """How this client begins its requests; None before the second that goes through the
        parser."""
        self._due = 0
        """Bytes to come of a body whose head was known without the parser."""

    def feed(self, data: bytes) -> None:
        """Take bytes in; requests that they complete are put on `ready`."""
        if self._due:
            self._fill(data)
            return
        between = self.phase == BETWEEN and not self._raw
        if between and self._habit is not None and self._repeats(self._habit, data):
            return
        if self.phase == BODY:
            self._raw = data
            self._start = self._length - self._body_size if self._length >= 0 else -1
            self._framing_size += len(data)
        else:
            self._raw = self._raw + data if self._raw else data
            self._start = 0
        self._parse(data)
        self._keep_rest()

    @property
    def arrived(self) -> int:
        """How many bytes there are of a body that is not complete."""
        return self._body_size if self.phase == BODY else 0

    def head(self) -> ClientRequest:
        """The request whose body is to come, without it."""
        line = self._line
        return ClientRequest(line.method, line.path, line.query, self._headers, b"", self._peer)

    def drop(self) -> None:
        """Let go of a body that will not be completed."""
        self._body = b""

    def refused_path(self) -> str:
        """The path of the request that was refused; empty where it cannot be told."""
        if self.phase == BODY:
            return self._line.path
        try:
            return split_target(self._raw[self._start :].split(b" ", 2)[1])[0]
        except (InvalidRequest, IndexError):
            return ""

    def close(self) -> None:
        """Let go of the parser, which holds our methods: else only the collector frees both."""
        del self._parser

    def renew(self) -> None:
        """Read what follows with a fresh parser."""
        self._parser = httptools.HttpRequestParser(self)

    def _repeats(self, habit: Habit, data: bytes) -> bool:
        """Take in a request that begins as one before it, which the parser has accepted, in all
        but the length of its body. The parser need not know: it stands between two requests."""
        begin = habit.body_at(data)
        if begin < 0 or begin > self._limits.head_bytes:
            return False
        digits = data[len(habit.before) : begin - len(habit.after)]
        length = int(digits)
        left = length - len(data) + begin
        if left < 0 or not 0 < length <= self._limits.body_bytes:
            return False
        self._line, self._keep_alive, self._coding = habit.line, True, b""
        self._headers = headers = habit.headers.copy()
        headers[b"content-length"] = digits
        self._length, self._declined = length, False
        self._framing_size = 0
        self._body = data[begin:]
        self._body_size = len(self._body)
        self._due = left
        self._start = 0
        if left:
            self.phase = BODY
        else:
            self.on_message_complete()
        return True

    def _fill(self, data: bytes) -> None:
        due = self._due
        piece = data if len(data) <= due else data[:due]
        self._due -= len(piece)
        self.on_body(piece)
        if not self._due:
            self.on_message_complete()
            if len(data) > due:
                self.feed(data[due:])

    def _parse(self, data: bytes) -> None:
        offer = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            offer = upgrade.args[0]
        except httptools.HttpParserCallbackError as error:
            refusal = error.__context__
            if isinstance(refusal, FederationError):
                raise refusal from None
            raise
        except httptools.HttpParserError as error:
            raise InvalidRequest(f"Malformed HTTP request: {error}.") from None
        # Not in the except clause: a refusal raised there would lose its own context to it.
        if offer is not None:
            self._decline(data[offer:])

    def _keep_rest(self) -> None:
        """Keep the part of a head that is there; refuse one that only grows, or all framing."""
        spare = self._limits.head_bytes
        if self.phase == BODY:
            self._raw = b""
            if self._framing_size > 2 * spare + _FRAMING_RATIO * self._body_size:
                raise InvalidRequest("The body's chunk framing outweighs its content.")
        elif self._start < 0:
            self._raw = b""
        else:
            self._raw = self._raw[self._start :]
            if len(self._raw) > spare:
                raise HeadersTooLarge(f"The request's head is over {spare} bytes.")

    # The parser calls these; their names are its own.

    def on_message_begin(self) -> None:
        """Forget the request before."""
        if self._start < 0:
            raise InvalidRequest("Wait for the answer to a chunked request before you go on.")
        self.phase = HEAD
        self._body = b""
        self._body_size = 0

    def on_headers_complete(self) -> None:
        """Check the head as a whole, before any byte of the body is taken."""
        limits, raw, start = self._limits, self._raw, self._start
        while raw[start] in _LINE_BREAKS:  # empty lines before a request are skipped (RFC 9112)
            start += 1
        end = raw.find(b"\r\n\r\n", start)
        if end - start > limits.head_bytes:
            raise HeadersTooLarge(f"The request's head is over {limits.head_bytes} bytes.")
        lines = raw[start:end].split(b"\r\n")
        self._line = line = self._scissors.request_line(lines.pop(0))
        self.phase = BODY
        if len(lines) > limits.head_count:
            raise HeadersTooLarge(f"More than {limits.head_count} header fields.")
        self._headers = headers = self._scissors.fields(lines)
        host = headers.get(b"host")
        if host is None:
            if not line.old:
                raise InvalidRequest("An HTTP/1.1 request needs a Host header.")
        elif _HOST.fullmatch(host) is None:
            raise InvalidRequest("The Host header is no host, with or without a port.")
        self._keep_alive = self._parser.should_keep_alive()
        self._coding = b""
        self._length = self._framing_size = 0
        if b"content-length" in headers or b"transfer-encoding" in headers:
            self._check_body(headers)
        self._start = end + 4 + self._length if self._length >= 0 else -1
        self._declined = b"upgrade" in headers and self._parser.should_upgrade()
        if not self._keep_alive:
            self._habit = None  # nothing may follow, which is the parser's to say
        elif self._length > 0 and self._scissors.seasoned:
            self._habit = habit_of(raw[start : end + 4], line, headers)

    def _check_body(self, headers: Headers) -> None:
        coding = headers.get(b"transfer-encoding")
        if coding is None:
            self._length = int(headers[b"content-length"])
            if self._length > self._limits.body_bytes:
                raise PayloadTooLarge(f"The body is over {self._limits.body_bytes} bytes.")
        elif self._line.old:
            raise InvalidRequest("HTTP/1.0 has no Transfer-Encoding.")
        elif coding.lower() == b"chunked":
            self._length = -1
        else:
            raise CallerError(
                "The only transfer coding read here is 'chunked'.",
                status=501,
                code="transfer_encoding_unsupported",
            )
        content = headers.get(b"content-encoding", b"identity").lower()
        if content != b"identity":
            if content not in CODINGS:
                raise UnsupportedMedia("A body may be compressed with gzip or deflate, once.")
            self._coding = content
        expect = headers.get(b"expect")
        if expect is not None and not self._line.old:
            if expect.lower() != b"100-continue":
                raise CallerError(
                    "The only expectation met here is '100-continue'.",
                    status=417,
                    code="expectation_failed",
                )
            self.expects = True

    def on_body(self, piece: bytes) -> None:
        """Take a part of the body."""
        self._body_size = size = self._body_size + len(piece)
        if size > self._limits.body_bytes:
            raise PayloadTooLarge(f"The body is over {self._limits.body_bytes} bytes.")
        body = self._body
        if not body:
            self._body = piece
        elif isinstance(body, bytearray):
            body += piece
        elif size == self._length:
            self._body = body + piece
        else:
            # One growing buffer: a list of two-byte pieces would take forty times its content.
            self._body = bytearray(body) + piece

    def on_message_complete(self) -> None:
        """Hand the request over."""
        if self._declined:
            return
        if len(self.ready) >= _PIPELINED:
            raise InvalidRequest(f"More than {_PIPELINED} requests at once on one connection.")
        body, line = self._body, self._line
        request = ClientRequest(
            line.method,
            line.path,
            line.query,
            self._headers,
            body if isinstance(body, bytes) else bytes(body),
            self._peer,
        )
        self.ready.append(Inbound(request, self._keep_alive, line.old, self._coding))
        self._body = b""
        self.expects = False
        self.phase = BETWEEN

    def _decline(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 with a client that offered another protocol (RFC 9110, 7.8).

        Some HTTP clients offer h2c with every first request. The parser takes what follows
        such a head for the other protocol, so the body is read by a parser of its own.
        """
        self._declined = False
        self._parser = httptools.HttpRequestParser(_Remainder(self))
        framing = b"".join(
            b"%b: %b\r\n" % (name, self._headers[name])
            for name in (b"content-length", b"transfer-encoding")
            if name in self._headers
        )
        self._parse(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
        if rest:
            self._parse(rest)


class _Remainder:
    """Reads one body for an intake, then gives the connection a fresh parser."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._begun = False
        self.on_body = intake.on_body

    def on_message_begin(self) -> None:
        if self._begun:
            raise InvalidRequest("Wait for the answer to an upgrade offer before you go on.")
        self._begun = True

    def on_headers_complete(self) -> None:
        """The head was read before."""

    def on_message_complete(self) -> None:
        self._intake.on_message_complete()
        self._intake.renew()
