"""An exchange in its reader's hands: backpressure, bounds, closing, decoding."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from transport_bench import LENGTH, Bench, outcome, whole

from federation.errors import (
    UpstreamCut,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOversized,
    UpstreamTimeout,
)
from federation.transport.decoding import Decoder


def test_reading_pauses_while_nobody_reads() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (50_000, b"a" * 50_000)
    for _ in range(5):
        bench.feed(piece)
    assert bench.transport.reading
    bench.feed(piece, piece)
    assert not bench.transport.reading
    while bench.exchange.chunks:
        assert not bench.transport.reading
        bench.exchange.take()
    assert bench.transport.reading
    assert bench.exchange.taken == 350_000


async def test_much_is_read_in_turns() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n")
    bench.feed(b"a" * 150_000, b"b" * 50_000)
    pieces: list[bytes] = []
    while piece := await bench.exchange.read():
        pieces.append(piece)
    assert list(map(len, pieces)) == [65536, 65536, 65536, 3392]
    assert b"".join(pieces) == b"a" * 150_000 + b"b" * 50_000


async def test_much_is_watched_in_turns_and_in_order() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n.\r\n")
    bench.exchange.loop = asyncio.get_running_loop()
    seen: list[bytes] = []
    bench.exchange.watch(seen.append, lambda _: False)
    bench.exchange.push()
    bench.feed(b"30d40\r\n%b\r\n" % (b"a" * 200_000))
    bench.feed(b"1\r\nb\r\n", b"0\r\n\r\n")
    while seen[-1]:
        await asyncio.sleep(0)
    assert b"".join(seen) == b"." + b"a" * 200_000 + b"b"
    assert max(map(len, seen)) <= 65536
    assert seen.count(b"") == 1


def test_a_body_over_its_limit_is_refused_before_it_is_there() -> None:
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nab")
    assert whole(bench, 499) is UpstreamOversized
    assert bench.transport.aborted
    bench = Bench().feed(LENGTH)
    assert whole(bench, 4) is UpstreamOversized
    assert whole(bench, 40) is UpstreamOversized
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\n\r\nabcdef")
    assert whole(bench, 5) is UpstreamOversized


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


async def test_others_have_their_turn_between_the_pieces_of_what_is_unpacked() -> None:
    text = bytes(3_000_000)
    packed = gzip.compress(text, mtime=0) * 2
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(packed), packed)
    bench.exchange.decoder = Decoder(b"gzip", 10_000_000)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting = asyncio.create_task(others())
    pieces: list[bytes] = []
    while piece := await bench.exchange.read():
        pieces.append(piece)
    waiting.cancel()
    assert b"".join(pieces) == text * 2
    assert max(map(len, pieces)) <= 64 * 1024
    assert turns >= len(pieces) - 4


async def test_who_reads_what_is_unpacked_can_be_stopped() -> None:
    packed = gzip.compress(bytes(30_000_000), mtime=0)
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(packed), packed)
    bench.exchange.decoder = Decoder(b"gzip", 50_000_000)
    size = 0

    async def all_of_it() -> None:
        nonlocal size
        while piece := await bench.exchange.read():
            size += len(piece)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await all_of_it()
    assert size < 1_000_000


def test_a_compressed_answer_is_read_plain() -> None:
    packed = gzip.compress(b"hello " * 100, mtime=0)
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(packed), packed)
    bench.exchange.decoder = Decoder(b"gzip", 1000)
    assert outcome(bench.exchange.read()) == b"hello " * 100
    assert outcome(bench.exchange.read()) == b""
    assert outcome(bench.exchange.read()) == b""


@pytest.mark.parametrize(
    ("data", "bound", "limit", "expected"),
    [
        (gzip.compress(b"x" * 500, mtime=0), 1000, 500, b"x" * 500),
        (gzip.compress(b"x" * 500, mtime=0), 1000, 499, UpstreamOversized),
        (gzip.compress(b"x" * 500, mtime=0), 499, 1000, UpstreamOversized),
        (gzip.compress(b"x" * 500, mtime=0)[:-1], 1000, 1000, UpstreamGarbled),
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
    packed = gzip.compress(b"hello", mtime=0)
    bench = Bench().feed(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + packed)
    bench.exchange.decoder = Decoder(b"gzip", 1000)
    bench.connection.connection_lost(None)
    assert whole(bench) is UpstreamFailed


def test_what_is_thrown_away_never_looks_like_an_empty_answer() -> None:
    bench = Bench().feed(LENGTH)
    outcome(bench.exchange.aclose())
    assert outcome(bench.exchange.read()) is UpstreamCut
    assert whole(bench) is UpstreamFailed
    assert bench.pooled


def test_closing_what_was_read_to_its_end_changes_nothing() -> None:
    bench = Bench().feed(LENGTH)
    assert whole(bench) == b"hello"
    outcome(bench.exchange.aclose())
    assert outcome(bench.exchange.read()) == b""
