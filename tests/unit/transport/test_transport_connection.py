"""The parser and its exchange, fed by hand: framing, limits, desynchronised connections."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from collections.abc import Iterable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import UpstreamCut, UpstreamFailed, UpstreamGarbled, UpstreamTimeout
from federation.transport.connection import Connection, _announced_s
from federation.transport.decoding import Decoder
from federation.transport.exchange import Exchange
from federation.transport.limits import Limits


class FakeTransport:
    """Notes what a connection asks of its socket."""

    def __init__(self) -> None:
        self.aborted = False
        self.reading = True
        self.written = b""

    def get_extra_info(self, name: str) -> None:
        return None

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data


class FakePool:
    """Takes connections back."""

    def __init__(self) -> None:
        self.active: set[Connection] = set()
        self.returned: list[Connection] = []
        self.gone = 0

    def give_back(self, connection: Connection) -> None:
        self.returned.append(connection)

    def forget(self, connection: Connection) -> None:
        self.gone += 1


class Bench:
    """A connection on a fake socket with one exchange under way."""

    def __init__(self, *, head_only: bool = False, limits: Limits | None = None) -> None:
        self.pool = FakePool()
        self.transport = FakeTransport()
        self.connection = Connection(limits or Limits())
        self.connection.connection_made(cast("asyncio.Transport", self.transport))
        self.connection.owner = self.pool
        self.head_only = head_only
        self.exchange = self.ask()

    def ask(self) -> Exchange:
        loop = cast("asyncio.AbstractEventLoop", FakeLoop())
        self.exchange = Exchange(loop, self.connection, "api.example", 1.0, 100.0)
        self.exchange.uploaded = True
        self.exchange.no_body = self.head_only
        self.connection.begin(self.exchange)
        return self.exchange

    def feed(self, *pieces: bytes) -> Bench:
        for piece in pieces:
            if not self.transport.aborted:
                self.connection.data_received(piece)
        return self

    @property
    def pooled(self) -> bool:
        return bool(self.pool.returned) and not self.transport.aborted


class FakeLoop:
    """A clock that stands; nothing here may wait."""

    def time(self) -> float:
        return 1000.0

    def create_future(self) -> Any:
        raise AssertionError("nothing more will come")


def outcome(coro: Any) -> Any:
    """Run a coroutine that cannot wait, and return its value or its error."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    except Exception as error:
        return type(error)
    raise AssertionError("it waits")


def whole(bench: Bench, limit: int = 1 << 20) -> Any:
    return outcome(bench.exchange.body(limit))


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nx-trailer: t\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + LENGTH
BARE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n"


def cuts(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


@settings(deadline=None)
@given(
    st.sampled_from([LENGTH, CHUNKED, INTERIM, BARE, EMPTY]),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_any_chunking_gives_the_same_answer(raw: bytes, places: list[int]) -> None:
    bench = Bench().feed(*cuts(raw, places))
    if raw is BARE:
        assert not bench.exchange.ended
        bench.connection.eof_received()
    assert bench.exchange.ended
    assert bench.exchange.status == (204 if raw is EMPTY else 200)
    assert b"x-trailer" not in bench.exchange.headers
    assert b"link" not in bench.exchange.headers
    assert whole(bench) == (b"" if raw is EMPTY else b"hello")
    assert bench.pooled is (raw is not BARE)


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, INTERIM, EMPTY])
def test_split_at_every_byte_it_is_the_same(raw: bytes) -> None:
    bench = Bench().feed(*(raw[at : at + 1] for at in range(len(raw))))
    assert bench.exchange.ended
    assert bench.pooled
    assert whole(bench) == (b"" if raw is EMPTY else b"hello")


@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, INTERIM])
def test_cut_at_any_byte_it_never_looks_complete(raw: bytes) -> None:
    for end in range(len(raw)):
        for reset in (None, ConnectionResetError()):
            bench = Bench().feed(raw[:end])
            bench.connection.connection_lost(reset)
            assert not bench.exchange.ended
            assert whole(bench) is UpstreamFailed
    bench = Bench().feed(LENGTH[:-1])
    bench.connection.eof_received()
    assert outcome(bench.exchange.read()) == b"hell"
    assert outcome(bench.exchange.read()) is UpstreamCut


def test_repeated_fields_are_joined_under_lower_case_names() -> None:
    bench = Bench().feed(LENGTH)
    assert bench.exchange.headers == {b"content-length": b"5", b"x-a": b"1, 2"}


def test_an_answer_that_is_framed_by_its_end_must_not_be_reset() -> None:
    bench = Bench().feed(BARE)
    bench.connection.connection_lost(ConnectionResetError())
    assert whole(bench) is UpstreamFailed


def test_a_head_request_has_no_body_whatever_its_head_says() -> None:
    bench = Bench(head_only=True).feed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    assert bench.exchange.ended
    assert whole(bench) == b""
    assert bench.transport.aborted
    bench = Bench(head_only=True).feed(LENGTH)
    assert whole(bench) == b""


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_some_statuses_have_no_body(status: bytes) -> None:
    bench = Bench().feed(b"HTTP/1.1 " + status + b"\r\ncontent-length: 9\r\n\r\n")
    assert bench.exchange.ended
    assert bench.pooled
    assert whole(bench, 3) == b""


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\n", LENGTH, b"garbage", b"\r\n\0", b"H"])
@pytest.mark.parametrize("raw", [LENGTH, CHUNKED, EMPTY])
def test_bytes_after_the_end_close_the_connection(raw: bytes, extra: bytes) -> None:
    bench = Bench().feed(raw + extra)
    assert bench.transport.aborted
    assert not bench.pool.returned
    assert whole(bench) == (b"" if raw is EMPTY else b"hello")


def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    bench = Bench().feed(LENGTH)
    assert bench.pooled
    bench.feed(b"HTTP/1.1 200 OK\r\n")
    assert bench.transport.aborted
    assert bench.pool.gone == 1


def test_a_connection_serves_one_answer_after_another() -> None:
    bench = Bench().feed(LENGTH)
    for raw in (CHUNKED, EMPTY, INTERIM, LENGTH):
        exchange = bench.ask()
        bench.feed(raw)
        assert exchange.ended
        assert bench.pooled
    assert bench.connection.served == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
    ],
)
def test_a_connection_that_is_to_be_closed_is_closed(raw: bytes) -> None:
    bench = Bench().feed(raw)
    assert whole(bench) == b"hello"
    assert bench.transport.aborted


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhey",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 700 Odd\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_what_is_not_the_protocol_is_garbled(raw: bytes) -> None:
    bench = Bench().feed(raw)
    assert whole(bench) is UpstreamGarbled
    assert bench.transport.aborted
    assert bench.pool.gone == 1
    assert not bench.pool.active


SMALL = Limits(head_bytes=1000, head_fields=10)


@pytest.mark.parametrize("step", [100, 10_000, 1_000_000])
def test_an_endless_head_is_refused(step: int) -> None:
    raw = b"HTTP/1.1 200 OK\r\nx-long: " + b"a" * 100_000
    bench = Bench(limits=SMALL).feed(*(raw[at : at + step] for at in range(0, len(raw), step)))
    assert whole(bench) is UpstreamGarbled
    assert "exceeds 1000 bytes" in (bench.exchange.failure or ("", ""))[1]


@pytest.mark.parametrize("step", [100, 1_000_000])
def test_a_long_head_is_refused_even_when_it_comes_with_its_body(step: int) -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: " + b"a" * 2000 + b"\r\n\r\nhello"
    bench = Bench(limits=SMALL).feed(*(raw[at : at + step] for at in range(0, len(raw), step)))
    assert whole(bench) is UpstreamGarbled


def test_too_many_fields_are_refused() -> None:
    fields = b"".join(b"x-%d: y\r\n" % number for number in range(11))
    bench = Bench(limits=SMALL).feed(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")
    assert whole(bench) is UpstreamGarbled
    same = b"x: y\r\n" * 11
    assert whole(Bench(limits=SMALL).feed(b"HTTP/1.1 200 OK\r\n" + same + b"\r\n")) is (
        UpstreamGarbled
    )


def test_a_short_head_may_come_with_a_long_body() -> None:
    raw = b"HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n" + b"a" * 90_000
    bench = Bench(limits=SMALL).feed(raw)
    assert whole(bench) == b"a" * 90_000
    assert bench.pooled
    bench = Bench(limits=SMALL).feed(*(raw[at : at + 500] for at in range(0, len(raw), 500)))
    assert whole(bench) == b"a" * 90_000


@pytest.mark.parametrize(
    "flood", [b"0\r\nx: " + b"a" * 5000, b"1;" + b"e" * 5000, b"0\r\n" + b"t: 1\r\n" * 1000]
)
def test_trailers_and_extensions_without_end_are_refused(flood: bytes) -> None:
    start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"
    pieces = [flood[at : at + 100] for at in range(0, len(flood), 100)]
    bench = Bench(limits=SMALL).feed(start, *pieces)
    assert bench.transport.aborted
    assert outcome(bench.exchange.read()) == b"hi"
    assert outcome(bench.exchange.read()) is UpstreamGarbled


def test_a_long_stream_of_small_chunks_is_no_flood() -> None:
    bench = Bench(limits=SMALL).feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(2000):
        bench.feed(b"1\r\na\r\n")
    assert not bench.transport.aborted
    assert outcome(bench.exchange.read()) == b"a" * 2000


def test_reading_pauses_while_nobody_reads() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (50_000, b"a" * 50_000)
    for _ in range(5):
        bench.feed(piece)
    assert bench.transport.reading
    bench.feed(piece, piece)
    assert not bench.transport.reading
    assert len(outcome(bench.exchange.read())) == 350_000
    assert bench.transport.reading


def test_a_body_over_its_limit_is_refused_before_it_is_there() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nab")
    assert whole(bench, 499) is UpstreamGarbled
    assert bench.transport.aborted
    bench = Bench().feed(LENGTH)
    assert whole(bench, 4) is UpstreamGarbled
    assert whole(bench, 40) is UpstreamGarbled
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\n\r\nabcdef")
    assert whole(bench, 5) is UpstreamGarbled


def test_a_body_is_the_rest_after_what_was_read() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
    assert outcome(bench.exchange.read()) == b"he"
    bench.feed(b"l", b"lo")
    assert whole(bench, 3) == b"llo"
    assert outcome(bench.exchange.read()) == b""
    assert whole(bench) == b""


def test_closing_before_the_end_closes_the_socket_and_is_idempotent() -> None:
    bench = Bench().feed(LENGTH[:-1])
    outcome(bench.exchange.aclose())
    outcome(bench.exchange.aclose())
    assert bench.transport.aborted
    assert bench.pool.gone == 1
    assert outcome(bench.exchange.read()) is UpstreamCut


def test_closing_after_the_end_leaves_the_connection_alone() -> None:
    bench = Bench().feed(LENGTH)
    first = bench.exchange
    bench.ask()
    outcome(first.aclose())
    assert not bench.transport.aborted
    assert bench.connection.exchange is bench.exchange


def test_a_timeout_stays_a_timeout() -> None:
    bench = Bench().feed(LENGTH[:-1])
    bench.connection.fail(UpstreamTimeout, "late")
    bench.connection.connection_lost(None)
    assert outcome(bench.exchange.read()) == b"hell"
    assert outcome(bench.exchange.read()) is UpstreamTimeout
    assert whole(bench) is UpstreamTimeout


def test_a_compressed_answer_is_read_plain() -> None:
    packed = gzip.compress(b"hello " * 100)
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(packed), packed)
    bench.exchange.decoder = Decoder(b"gzip", 1000)
    assert outcome(bench.exchange.read()) == b"hello " * 100
    assert outcome(bench.exchange.read()) == b""
    assert outcome(bench.exchange.read()) == b""


@pytest.mark.parametrize(
    ("data", "bound", "limit", "expected"),
    [
        (gzip.compress(b"x" * 500), 1000, 500, b"x" * 500),
        (gzip.compress(b"x" * 500), 1000, 499, UpstreamGarbled),
        (gzip.compress(b"x" * 500), 499, 1000, UpstreamGarbled),
        (gzip.compress(b"x" * 500)[:-1], 1000, 1000, UpstreamGarbled),
        (b"not gzip", 1000, 1000, UpstreamGarbled),
    ],
)
def test_a_compressed_body_is_bounded(
    data: bytes, bound: int, limit: int, expected: object
) -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data) + data)
    bench.exchange.decoder = Decoder(b"gzip", bound)
    got = whole(bench, limit)
    assert got == expected


def test_a_compressed_body_that_is_cut_may_be_asked_for_again() -> None:
    packed = gzip.compress(b"hello")
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + packed)
    bench.exchange.decoder = Decoder(b"gzip", 1000)
    bench.connection.connection_lost(None)
    assert whole(bench) is UpstreamFailed


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 4.0),
        (b"max=3, Timeout = 5", 4.0),
        (b"timeout=1", 0.5),
        (b"timeout=0", 0.0),
        (b"timeout=99999999999999999", 999998.0),
        (b"timeout=x", 60.0),
        (b"max=100", 60.0),
        (b"", 60.0),
    ],
)
def test_the_providers_own_keep_alive_is_read(value: bytes, seconds: float) -> None:
    assert _announced_s(value, 60.0) == seconds


def test_a_connection_expires_as_announced_but_no_later_than_ours() -> None:
    bench = Bench().feed(LENGTH)
    assert bench.connection.expires == 1060.0
    for announced, expires in ((b"5", 1004.0), (b"500", 1060.0)):
        raw = b"HTTP/1.1 204 OK\r\nkeep-alive: timeout=" + announced + b"\r\n\r\n"
        assert Bench().feed(raw).connection.expires == expires


def test_a_request_that_is_not_out_yet_keeps_the_connection_from_the_pool() -> None:
    bench = Bench()
    bench.exchange.uploaded = False
    bench.feed(LENGTH)
    assert bench.transport.aborted
    assert whole(bench) == b"hello"


def test_writing_to_a_lost_connection_does_nothing() -> None:
    bench = Bench()
    bench.connection.write(b"a")
    bench.connection.pause_writing()
    bench.connection.resume_writing()
    bench.connection.connection_lost(None)
    bench.connection.write(b"b")
    bench.connection.resume()
    bench.connection.abort()
    assert bench.transport.written == b"a"
    assert not bench.connection.usable()
    assert bench.connection.clogged is False
