"""The listener over raw sockets: requests, replies, streams and connections."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from listener_harness import LIMITS, LOOPS, Client, Endless, Pieces, Rig, request, running

from federation.errors import UpstreamCut


@pytest.fixture(params=sorted(LOOPS), scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with running(request.param) as rig:
        yield rig


@pytest.fixture
def rig(shared: Rig) -> Iterator[Rig]:
    shared.behind.__init__()  # type: ignore[misc]
    shared.faults.clear()
    yield shared
    shared.until(lambda: shared.server.connections == shared.server.in_flight == 0)
    assert all(stream.closed == 1 for stream in shared.behind.streams)


def test_one_connection_serves_many_requests(rig: Rig) -> None:
    with rig.connect() as client:
        for size in (0, 1, 1000, 70_000):
            reply = client.ask("/echo", b"x" * size)
            assert reply.status == 200
            assert reply.body == (b"x" * size or b"/echo")
            assert reply.headers[b"content-type"] == b"text/plain"
            assert reply.headers[b"date"].endswith(b" GMT")
            assert b"connection" not in reply.headers
            assert b"server" not in reply.headers
        assert rig.behind.requests[0].peer == "127.0.0.1"
        assert rig.server.connections == 1


def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(b"".join(request(f"/pause?0.0{n}", b"%d" % n) for n in (3, 2, 1, 0)))
        assert [client.reply().body for _ in range(4)] == [b"3", b"2", b"1", b"0"]


def test_what_is_pipelined_while_a_request_runs_is_held_within_bounds(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/pause?0.1", b"first"))
        rig.until(lambda: rig.server.in_flight == 1)
        bodies = [b"%d" % n * 50_000 for n in range(8)]
        client.send(b"".join(request("/echo", body) for body in bodies))
        assert client.reply().body == b"first"
        assert [client.reply().body for _ in bodies] == bodies


def test_a_refusal_behind_good_requests_comes_after_their_answers(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/echo", b"good") + b"nonsense\r\n\r\n")
        assert client.reply().body == b"good"
        reply = client.reply()
        assert reply.status == 400
        assert reply.headers[b"connection"] == b"close"
        assert client.closed()


def test_what_follows_the_last_request_of_a_connection_is_not_answered(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/echo", b"last", b"Connection: close") + request("/echo", b"no"))
        reply = client.reply()
        assert (reply.body, reply.headers[b"connection"]) == (b"last", b"close")
        assert client.closed()
    assert len(rig.behind.requests) == 1


def test_http_1_0_is_served(rig: Rig) -> None:
    with rig.connect() as client:
        reply = client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").reply()
        assert reply.headers[b"connection"] == b"keep-alive"
        reply = client.send(b"GET /b HTTP/1.0\r\n\r\n").reply()
        assert (reply.body, reply.headers[b"connection"]) == (b"/b", b"close")
        assert client.closed()


@pytest.mark.parametrize(
    ("data", "status", "path"),
    [
        (b"GET /v1/x HTTP/1.1\r\n\r\n", 400, b"/v1/x"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, b"*"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400, b""),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405, b""),
        (b"POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n", 413, b"/v1/x"),
        (b"GET /v1/x HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 4000, 431, b"/v1/x"),
    ],
)
def test_refusals_name_the_path_and_close(rig: Rig, data: bytes, status: int, path: bytes) -> None:
    with rig.connect() as client:
        reply = client.send(data).reply()
        assert reply.status == status
        assert reply.headers[b"connection"] == b"close"
        assert reply.body.partition(b"|")[0] == path
        assert client.closed()
    assert rig.behind.requests == []


def test_a_refusal_reaches_a_client_that_is_still_sending(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(90):
            client.send(b"x" * 100_000)
        assert client.reply().status == 413


def test_too_much_in_chunks_is_refused_while_it_arrives(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(11):
            client.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        assert client.reply().status == 413


def test_a_client_that_asks_first_is_told_to_go_on(rig: Rig) -> None:
    with rig.connect() as client:
        whole = request("/echo", b"{}", b"Expect: 100-continue")
        client.send(whole[:-2])
        assert client.head().status == 100
        assert client.send(b"{}").reply().body == b"{}"


def test_leave_to_go_on_comes_after_the_answer_before(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/pause?0.05", b"one"))
        client.send(request("/echo", b"{}", b"Expect: 100-continue")[:-2])
        assert client.reply().body == b"one"
        assert client.head().status == 100
        assert client.send(b"{}").reply().body == b"{}"


def test_compressed_requests_are_read(rig: Rig) -> None:
    body = b"hello " * 1000
    with rig.connect() as client:
        packed = gzip.compress(body)
        assert client.ask("/echo", packed, b"Content-Encoding: gzip").body == body
        assert b"content-encoding" not in rig.behind.requests[0].headers
        assert client.ask("/echo", b"bad", b"Content-Encoding: gzip").status == 400
        bomb = gzip.compress(b"\0" * 200_000)
        assert client.ask("/echo", bomb, b"Content-Encoding: gzip").status == 413
        assert client.ask("/echo", b"still here").body == b"still here"
        assert client.ask("/echo", b"x", b"Content-Encoding: br").status == 415


def test_an_upgrade_offer_is_answered_in_http_1_1(rig: Rig) -> None:
    offer = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMA")
    with rig.connect() as client:
        assert client.ask("/echo", b"one", *offer).body == b"one"
        assert client.ask("/echo", b"two").body == b"two"


def test_head_requests_get_a_head_only(rig: Rig) -> None:
    rig.behind.plays["/stream"] = lambda: Pieces(b"x")
    with rig.connect() as client:
        reply = client.ask("/abc", method="HEAD")
        assert reply.headers[b"content-length"] == b"4"
        reply = client.ask("/stream", method="HEAD")
        assert b"transfer-encoding" not in reply.headers
        assert client.ask("/abc").body == b"/abc"
    assert rig.behind.streams[0].reads == 0


def test_a_reply_without_content_has_no_length(rig: Rig) -> None:
    rig.behind.status = 204
    rig.behind.plays["/none"] = lambda: b""
    with rig.connect() as client:
        assert b"content-length" not in client.ask("/none").headers
        assert client.ask("/abc").body == b"/abc"


def test_errors_of_the_tree_are_rendered_and_the_connection_stays(rig: Rig) -> None:
    with rig.connect() as client:
        reply = client.ask("/missing")
        assert (reply.status, reply.body) == (404, b"/missing|no such model")
        assert client.ask("/abc").body == b"/abc"
    assert rig.faults == []


def test_a_bug_is_a_500_that_says_nothing_but_its_request_id(rig: Rig) -> None:
    with rig.connect() as client:
        reply = client.ask("/bug")
        ((fault, request_id),) = rig.faults
        assert reply.status == 500
        assert reply.headers[b"x-request-id"] == request_id.encode()
        assert b"secret" not in reply.body
        assert isinstance(fault, ValueError)
        assert client.ask("/abc").status == 200


def test_a_handler_that_cancels_itself_leaves_no_client_waiting(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/quits"))
        assert client.closed()


def test_a_reply_header_with_a_line_break_is_a_500(rig: Rig) -> None:
    rig.behind.headers.append((b"x-model", b"a\r\nset-cookie: b"))
    rig.behind.plays["/stream"] = lambda: Pieces(b"x")
    rig.behind.plays["/whole"] = lambda: b"x"
    with rig.connect() as client:
        for path in ("/stream", "/whole"):
            reply = client.ask(path)
            assert reply.status == 500
            assert b"set-cookie" not in reply.headers
    assert len(rig.faults) == 2


def test_a_large_reply_arrives_whole(rig: Rig) -> None:
    body = bytes(range(256)) * 40_000
    rig.behind.plays["/large"] = lambda: body
    with rig.connect() as client:
        assert client.ask("/large").body == body
        assert client.ask("/abc").status == 200


def test_a_stream_is_sent_in_chunks_as_it_comes(rig: Rig) -> None:
    go_on = asyncio.Event()
    rig.behind.plays["/s"] = lambda: Pieces(b"one", None, b"two", go_on, b"three")
    with rig.connect() as client:
        client.send(request("/s"))
        assert client.head().headers[b"transfer-encoding"] == b"chunked"
        chunks = client.chunks()
        assert [next(chunks), next(chunks)] == [b"one", b"two"]
        rig.signal(go_on)
        assert list(chunks) == [b"three"]
        assert client.ask("/abc").body == b"/abc"


def test_the_head_of_a_stream_does_not_wait_for_its_first_piece(rig: Rig) -> None:
    go_on = asyncio.Event()
    rig.behind.plays["/s"] = lambda: Pieces(go_on, b"one")
    with rig.connect() as client:
        client.send(request("/s"))
        assert client.head().status == 200
        rig.signal(go_on)
        assert list(client.chunks()) == [b"one"]


def test_a_stream_is_closed_before_its_end_is_sent(rig: Rig) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one")
    with rig.connect() as client:
        client.ask("/s")
        assert rig.behind.streams[0].closed == 1


def test_an_old_client_gets_a_stream_that_ends_with_the_connection(rig: Rig) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", b"two")
    with rig.connect() as client:
        client.send(b"GET /s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        reply = client.reply()
        assert reply.body == b"onetwo"
        assert reply.headers[b"connection"] == b"close"
        assert b"transfer-encoding" not in reply.headers


@pytest.mark.parametrize("error", [UpstreamCut("cut"), RuntimeError("bug")])
def test_a_broken_stream_is_cut_after_what_was_sent(rig: Rig, error: Exception) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", error)
    with rig.connect() as client:
        client.send(request("/s"))
        client.head()
        assert client.rest() == b"3\r\none\r\n"
    assert len(rig.faults) == isinstance(error, RuntimeError)


def test_a_broken_stream_is_no_orderly_end_for_an_old_client(rig: Rig) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", UpstreamCut("cut"))
    with rig.connect() as client:
        client.send(b"GET /s HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_stream_that_fails_to_close_is_reported(rig: Rig) -> None:
    class Bad(Pieces):
        async def aclose(self) -> None:
            await super().aclose()
            raise RuntimeError("promised not to")

    rig.behind.plays["/s"] = lambda: Bad(b"one")
    with rig.connect() as client:
        assert client.ask("/s").body == b"one"
    assert len(rig.faults) == 1


def test_a_renderer_of_forged_headers_does_not_leave_the_client_waiting(rig: Rig) -> None:
    rig.behind.headers = [(b"x", b"a\nb")]
    with rig.connect() as client:
        assert client.ask("/abc").status == 500


def reset(client: Client) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.sock.close()


HANG_UPS: dict[str, Callable[[Client], None]] = {
    "close": lambda client: client.sock.close(),
    "half-close": lambda client: client.sock.shutdown(socket.SHUT_WR),
    "reset": reset,
}


@pytest.mark.parametrize("how", sorted(HANG_UPS))
def test_a_hang_up_cancels_the_handler_at_once(rig: Rig, how: str) -> None:
    with rig.connect() as client:
        client.send(request("/wait", b"{}"))
        rig.until(lambda: rig.server.in_flight == 1)
        HANG_UPS[how](client)
        assert rig.until(lambda: rig.behind.cancelled == 1) < 0.1


@pytest.mark.parametrize("how", sorted(HANG_UPS))
def test_a_hang_up_in_mid_stream_closes_the_stream_at_once(rig: Rig, how: str) -> None:
    rig.behind.plays["/s"] = lambda: Pieces(b"one", asyncio.Event())
    with rig.connect() as client:
        client.send(request("/s"))
        client.upto(b"one")
        HANG_UPS[how](client)
        assert rig.until(lambda: rig.behind.streams[0].closed == 1) < 0.1


def test_a_stream_that_comes_after_the_client_left_is_closed_unread(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/late"))
        rig.until(lambda: rig.server.in_flight == 1)
    rig.until(lambda: rig.behind.streams and rig.behind.streams[0].closed == 1)
    assert rig.behind.streams[0].reads == 0


def test_a_client_that_leaves_with_its_request_is_not_served(rig: Rig) -> None:
    for _ in range(50):
        with rig.connect() as client:
            client.send(request("/wait"))
            reset(client)
    rig.until(lambda: rig.behind.cancelled == len(rig.behind.requests))


def test_a_client_that_leaves_while_its_stream_closes_does_not_disturb_that(rig: Rig) -> None:
    closing, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Pieces):
        async def aclose(self) -> None:
            closing.set()
            await go_on.wait()
            await super().aclose()

    rig.behind.plays["/s"] = lambda: Slow(b"one")
    with rig.connect() as client:
        client.send(request("/s"))
        rig.until(closing.is_set)
    rig.until(lambda: rig.server.connections == 0)
    assert rig.behind.streams[0].closed == 0
    rig.signal(go_on)
    rig.until(lambda: rig.behind.streams[0].closed == 1)


def test_a_hang_up_behind_pipelined_requests_cancels_the_one_that_runs(rig: Rig) -> None:
    with rig.connect() as client:
        client.send(request("/wait") + request("/echo", b"x"))
        rig.until(lambda: rig.server.in_flight == 1)
    rig.until(lambda: rig.behind.cancelled == 1)
    rig.until(lambda: rig.server.connections == 0)
    assert len(rig.behind.requests) == 1


def test_a_stream_waits_for_a_slow_reader_and_then_goes_on(rig: Rig) -> None:
    pieces = [b"%07d" % n * 4000 for n in range(300)]
    rig.behind.plays["/s"] = lambda: Pieces(*pieces)
    with rig.connect() as client:
        client.send(request("/s"))
        client.head()
        rig.until(lambda: rig.behind.streams)
        rig.until(lambda: rig.server.in_flight == 1)
        got = 0
        for n, chunk in enumerate(client.chunks()):
            assert chunk == pieces[n]
            got += 1
        assert got == len(pieces)


@pytest.mark.parametrize("path", ["/endless", "/large"])
def test_a_client_that_does_not_read_is_hung_up_on(rig: Rig, path: str) -> None:
    rig.behind.plays["/endless"] = Endless
    rig.behind.plays["/large"] = lambda: b"x" * 30_000_000
    with rig.connect() as client:
        client.send(request(path))
        took = rig.until(lambda: rig.behind.requests and rig.server.connections == 0)
        assert took >= LIMITS.write_s * 0.8
    rig.until(lambda: rig.server.in_flight == 0)


def test_a_client_that_reads_slowly_but_steadily_is_served(rig: Rig) -> None:
    body = b"x" * 12_000_000
    rig.behind.plays["/large"] = lambda: body
    with rig.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        client.send(request("/large"))
        client.head()
        got = 0
        while got < len(body):
            got += len(client.exactly(min(1_000_000, len(body) - got)))
            time.sleep(0.08)
        assert got == len(body)
