"""The parser and its exchange, fed by hand: framing, limits, desynchronised connections."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transport_bench import LENGTH, Bench, outcome, whole

from federation.errors import UpstreamCut, UpstreamFailed, UpstreamGarbled
from federation.transport.connection import _announced_s
from federation.transport.limits import Limits

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
