"""Targets, compressed bodies, reply heads and the front: each on its own."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import (
    FederationError,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    Unavailable,
)
from federation.listener.front import Front
from federation.listener.inflate import inflate, inflated
from federation.listener.replyhead import (
    UnsafeHeader,
    has_body,
    render_headers,
    safe_headers,
    status_line,
)
from federation.listener.target import split_target
from federation.schema.http import ClientReply, ClientRequest

LIMIT = 2_000_000
REQUEST = ClientRequest("POST", "/v1/x", "", {}, b"")


def raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(data) + engine.flush()


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        (b"gzip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", raw_deflate),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{}", b"a" * 1_000_000])
async def test_compressed_bodies_are_undone(coding: bytes, compress: object, body: bytes) -> None:
    assert callable(compress)
    assert await inflate(compress(body), coding, LIMIT) == body


async def test_several_gzip_members_make_one_body() -> None:
    assert await inflate(gzip.compress(b"a") + gzip.compress(b"b"), b"gzip", LIMIT) == b"ab"


async def test_a_body_of_many_empty_members_is_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="parts"):
        await inflate(gzip.compress(b"") * 100_000, b"gzip", LIMIT)
    assert time.monotonic() - began < 0.5


async def test_input_that_yields_nothing_lets_others_run_meanwhile() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    empty_blocks = b"\x00\x00\x00\xff\xff" * 200_000 + b"\x03\x00"
    assert await inflate(empty_blocks, b"deflate", LIMIT) == b""
    task.cancel()
    assert turns >= 10


async def test_growth_is_told_before_it_is_complete() -> None:
    grown: list[int] = []

    def grow(size: int) -> None:
        grown.append(size)
        if sum(grown) > 500_000:
            raise Unavailable("full")

    request = ClientRequest("POST", "/", "", {b"content-encoding": b"gzip"}, b"")
    request = msgspec.structs.replace(request, body=gzip.compress(b"\0" * 1_000_000))
    with pytest.raises(Unavailable):
        await inflated(request, b"gzip", 2_000_000, grow)
    assert len(grown) == 2


async def test_a_bomb_is_refused_at_the_limit_and_lets_others_run_meanwhile() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    with pytest.raises(PayloadTooLarge):
        await inflate(gzip.compress(b"\0" * 20_000_000), b"gzip", LIMIT)
    task.cancel()
    assert turns >= 4


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", b"no gzip at all"),
        (b"gzip", gzip.compress(b"abc", mtime=0)[:-3]),
        (b"gzip", gzip.compress(b"abc", mtime=0) + b"more"),
        (b"gzip", b""),
        (b"deflate", zlib.compress(b"abc") + b"more"),
        (b"deflate", b"\xff\xff\xff"),
    ],
)
async def test_broken_compression_is_the_callers_fault(coding: bytes, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await inflate(body, coding, LIMIT)


async def test_an_inflated_request_looks_as_if_it_had_come_uncompressed() -> None:
    body = gzip.compress(b"{}")
    headers = {b"content-encoding": b"gzip", b"content-length": b"%d" % len(body), b"x": b"y"}
    request = ClientRequest("POST", "/", "", headers, body)
    assert (await inflated(request, b"gzip", LIMIT)) == ClientRequest(
        "POST", "/", "", {b"content-length": b"2", b"x": b"y"}, b"{}"
    )
    assert request.headers is headers
    assert b"content-encoding" in headers


async def test_a_chunked_inflated_request_gets_no_length() -> None:
    headers = {b"content-encoding": b"gzip", b"transfer-encoding": b"chunked"}
    request = ClientRequest("POST", "/", "", headers, gzip.compress(b"{}"))
    assert b"content-length" not in (await inflated(request, b"gzip", LIMIT)).headers


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_targets_are_decoded_or_refused(target: bytes) -> None:
    try:
        path, query = split_target(target)
    except InvalidRequest:
        return
    assert "\0" not in path
    assert "\n" not in path
    assert query.encode("latin-1") in target


def test_reply_headers_leave_out_what_the_listener_adds_itself() -> None:
    headers = [(b"content-length", b"9"), (b"x-a", b"b"), (b"transfer-encoding", b"chunked")]
    assert render_headers(headers) == b"x-a: b\r\n"
    assert safe_headers(headers) == [(b"x-a", b"b")]


@pytest.mark.parametrize("bad", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"\n"])
def test_a_line_break_in_a_reply_header_is_refused(bad: bytes) -> None:
    for header in ((b"x", bad), (bad, b"x")):
        with pytest.raises(UnsafeHeader):
            render_headers([(b"a", b"b"), header])


def test_status_lines_have_their_phrase_where_there_is_one() -> None:
    assert status_line(404) == b"HTTP/1.1 404 Not Found\r\n"
    assert status_line(599) == b"HTTP/1.1 599 \r\n"


def test_heads_and_empty_statuses_have_no_body() -> None:
    assert has_body(200, "GET")
    assert not has_body(200, "HEAD")
    assert not has_body(204, "GET")
    assert not has_body(304, "GET")


class Faults:
    def __init__(self) -> None:
        self.seen: list[tuple[BaseException, str]] = []

    def __call__(self, fault: BaseException, request_id: str) -> None:
        self.seen.append((fault, request_id))


def render(error: FederationError, path: str) -> ClientReply:
    return ClientReply(error.status, [], f"{path}: {error.message}".encode())


def broken_render(error: FederationError, path: str) -> ClientReply:
    raise RuntimeError("secret detail")


async def test_an_error_of_the_tree_becomes_its_own_reply() -> None:
    async def handler(request: ClientRequest) -> ClientReply:
        raise NotFound("no such model")

    faults = Faults()
    reply = await Front(handler, render, faults).answer(REQUEST)
    assert (reply.status, reply.body) == (404, b"/v1/x: no such model")
    assert faults.seen == []


async def test_a_bug_becomes_a_500_with_nothing_but_a_request_id() -> None:
    async def handler(request: ClientRequest) -> ClientReply:
        raise ValueError("the prompt was: secret detail")

    faults = Faults()
    reply = await Front(handler, render, faults).answer(REQUEST)
    ((fault, request_id),) = faults.seen
    assert isinstance(fault, ValueError)
    assert reply.status == 500
    assert reply.body == f"/v1/x: internal error, request id {request_id}".encode()
    assert reply.headers == [(b"x-request-id", request_id.encode())]


@pytest.mark.parametrize("error", [NotFound("x"), ValueError("x")])
async def test_a_broken_renderer_still_leaves_a_plain_500(error: Exception) -> None:
    async def handler(request: ClientRequest) -> ClientReply:
        raise error

    faults = Faults()
    reply = await Front(handler, broken_render, faults).answer(REQUEST)
    assert (reply.status, reply.body) == (500, b"internal error")
    assert isinstance(faults.seen[-1][0], RuntimeError)
    assert (b"x-request-id", faults.seen[-1][1].encode()) in reply.headers


async def test_cancellation_is_not_caught() -> None:
    async def handler(request: ClientRequest) -> ClientReply:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Front(handler, render, Faults()).answer(REQUEST)
