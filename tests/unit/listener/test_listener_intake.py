"""The intake: what is accepted, what is refused, and that nothing depends on segment bounds."""

from __future__ import annotations

import contextlib
import gzip
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.domain.routes import ListenerLimits
from federation.errors import FederationError
from federation.listener.intake import BETWEEN, BODY, HEAD, Inbound, Intake

LIMITS = ListenerLimits(head_bytes=2000, head_count=20, body_bytes=5000)
CHUNKED = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(
    body: bytes = b"", *lines: bytes, target: bytes = b"/v1/x", version: bytes = b"1.1"
) -> bytes:
    head = [b"POST %b HTTP/%b" % (target, version), b"Host: a", *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/%b" % (target, version), *lines, b"", b""])


def taken(*pieces: bytes) -> list[Inbound]:
    intake = Intake(LIMITS, "10.0.0.1")
    for piece in pieces:
        intake.feed(piece)
    return list(intake.ready)


def refusal(*pieces: bytes) -> FederationError:
    return refused(Intake(LIMITS), pieces)


def refused(intake: Intake, pieces: Iterable[bytes]) -> FederationError:
    for piece in pieces:
        try:
            intake.feed(piece)
        except FederationError as error:
            return error
    pytest.fail("nothing was refused")


def test_a_request_is_taken_whole() -> None:
    (inbound,) = taken(post(b"{}", b"Content-Type: application/json", target=b"/v1/x?a=b%20c"))
    request = inbound.request
    assert (request.method, request.path, request.query) == ("POST", "/v1/x", "a=b%20c")
    assert request.body == b"{}"
    assert request.headers == {
        b"host": b"a",
        b"content-type": b"application/json",
        b"content-length": b"2",
    }
    assert request.peer == "10.0.0.1"
    assert inbound.keep_alive
    assert not inbound.old


def test_repeated_headers_are_joined_and_stripped() -> None:
    (inbound,) = taken(get(b"Host: a", b"X-A: \t one \t", b"x-a:two", b"X-Empty:"))
    assert inbound.request.headers[b"x-a"] == b"one, two"
    assert inbound.request.headers[b"x-empty"] == b""


@pytest.mark.parametrize(
    "host", [b"", b"a.example:8080", b"[::1]:80", b"[fe80::1%25eth0]", b"under_score", b"x:"]
)
def test_a_host_of_any_kind_is_taken(host: bytes) -> None:
    (inbound,) = taken(get(b"Host: " + host))
    assert inbound.request.headers[b"host"] == host


@pytest.mark.parametrize("name", [b"Host", b"Authorization", b"Content-Type", b"X-Api-Key"])
def test_a_header_on_which_readers_could_disagree_is_refused_when_repeated(name: bytes) -> None:
    first = b"" if name == b"Host" else b"Host: a"
    lines = [line for line in (first, name + b": one", name.lower() + b": two") if line]
    error = refusal(get(*lines))
    assert error.status == 400
    assert name.decode().lower() in error.message


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET relative HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%0d%0aX:%20b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\na",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\n",
        CHUNKED + b"-1\r\n",
        CHUNKED + b"0x1\r\na\r\n",
        CHUNKED + b"1\na\r\n0\r\n\r\n",
        CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_malformed_bytes_are_a_400(head: bytes) -> None:
    assert refusal(head).status == 400


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/0.9\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (b"DESCRIBE / RTSP/1.0\r\n\r\n", 505),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501),
        (post(b"x", b"Content-Encoding: br"), 415),
        (post(b"x", b"Content-Encoding: gzip, gzip"), 415),
        (post(b"x", b"Expect: something"), 417),
        (post(b"x" * 5001), 413),
        (get(b"Host: a", b"X: " + b"x" * 2000), 431),
        (get(b"Host: a", *[b"x: y"] * 20), 431),
        (get(b"Host: a", target=b"/" + b"x" * 2000), 431),
        (b"GET /" + b"x" * 2000, 431),
        (b"\r\n" * 1001, 431),
        (CHUNKED + b"1389\r\n" + b"x" * 5001, 413),
    ],
)
def test_what_is_well_formed_and_not_served_has_a_status_of_its_own(
    head: bytes, status: int
) -> None:
    assert refusal(head).status == status


def test_a_length_over_the_limit_is_refused_before_the_body_comes() -> None:
    head = b"POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    intake = Intake(LIMITS)
    with pytest.raises(FederationError) as caught:
        intake.feed(head)
    assert caught.value.status == 413
    assert intake.refused_path() == "/v1/messages"


def test_a_hundred_thousand_headers_are_refused_while_they_arrive() -> None:
    sent: list[bytes] = []

    def arriving() -> Iterable[bytes]:
        yield b"GET / HTTP/1.1\r\nHost: a\r\n"
        for _ in range(100):
            sent.append(b"x: y\r\n" * 1000)
            yield sent[-1]

    assert refused(Intake(ListenerLimits()), arriving()).status == 431
    assert len(sent) < 12


def test_a_refused_path_is_told_from_a_partial_head() -> None:
    intake = Intake(LIMITS)
    intake.feed(b"POST /v1/a%20b?c HTTP/1.1\r\nHos")
    assert intake.phase == HEAD
    assert intake.refused_path() == "/v1/a b"


@pytest.mark.parametrize("head", [b"", b"GE", b"GET foo HTTP/1.1\r\n", b"GET /%ff HTTP/1.1\r\n"])
def test_a_path_that_cannot_be_told_is_empty(head: bytes) -> None:
    intake = Intake(LIMITS)
    with contextlib.suppress(FederationError):
        intake.feed(head)
    assert intake.refused_path() == ""


def test_chunks_are_put_together_and_trailers_are_dropped() -> None:
    (inbound,) = taken(CHUNKED + b"2;ext=1\r\n{}\r\n1\r\n!\r\n0\r\nX-Late: 1\r\n\r\n")
    assert inbound.request.body == b"{}!"
    assert b"x-late" not in inbound.request.headers


def test_chunk_extensions_do_not_keep_us_busy() -> None:
    error = refusal(CHUNKED, b"1;", *[b"x" * 1000] * 5)
    assert error.status == 400
    assert "framing" in error.message


def test_endless_trailers_are_refused() -> None:
    assert refusal(CHUNKED, b"0\r\n", *[b"a: b\r\n" * 200] * 5).status == 400


def test_one_byte_chunks_are_fine() -> None:
    body = b"a" * 3000
    (inbound,) = taken(CHUNKED, *[b"1\r\na\r\n"] * len(body), b"0\r\n\r\n")
    assert inbound.request.body == body


def test_pipelined_requests_wait_in_order() -> None:
    paths = [b"/a", b"/b", b"/c"]
    data = b"".join(post(path, target=path) for path in paths)
    assert [each.request.body for each in taken(data)] == paths


def test_too_many_pipelined_requests_are_refused_after_the_first_ones() -> None:
    intake = Intake(LIMITS)
    with pytest.raises(FederationError):
        intake.feed(get(b"Host: a") * 40)
    assert len(intake.ready) == 32


def test_nothing_is_pipelined_behind_a_chunked_request() -> None:
    intake = Intake(LIMITS)
    with pytest.raises(FederationError) as caught:
        intake.feed(CHUNKED + b"0\r\n\r\n" + get(b"Host: a"))
    assert caught.value.status == 400
    assert [each.request.path for each in intake.ready] == ["/c"]


def test_a_chunked_request_is_followed_by_another_on_the_same_connection() -> None:
    intake = Intake(LIMITS)
    for _ in range(3):
        intake.feed(CHUNKED + b"1\r\nx\r\n0\r\n\r\n")
        assert intake.ready.popleft().request.body == b"x"
    intake.feed(post(b"abc"))
    assert intake.ready.popleft().request.body == b"abc"


@pytest.mark.parametrize(
    ("request_bytes", "keep_alive", "old"),
    [
        (get(b"Host: a"), True, False),
        (get(b"Host: a", b"Connection: close"), False, False),
        (get(version=b"1.0"), False, True),
        (get(b"Connection: keep-alive", version=b"1.0"), True, True),
        (b"\r\n\r\n" + get(b"Host: a"), True, False),
    ],
)
def test_persistence_follows_version_and_connection_header(
    request_bytes: bytes, keep_alive: bool, old: bool
) -> None:
    (inbound,) = taken(request_bytes)
    assert (inbound.keep_alive, inbound.old) == (keep_alive, old)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a%2Fb/%C3%A9?x=%00", "/a/b/é", "x=%00"),
        (b"http://other/y?z", "/y", "z"),
        (b"http://other", "/", ""),
        (b"/?", "/", ""),
        (b"*", "*", ""),
    ],
)
def test_targets_are_decoded_once(target: bytes, path: str, query: str) -> None:
    (inbound,) = taken(b"OPTIONS %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
    assert (inbound.request.path, inbound.request.query) == (path, query)


def test_a_client_that_expects_leave_is_noticed_until_the_body_comes() -> None:
    intake = Intake(LIMITS)
    request = post(b"{}", b"Expect: 100-continue")
    intake.feed(request[:-2])
    assert (intake.phase, intake.expects) == (BODY, True)
    intake.feed(request[-2:])
    assert (intake.phase, intake.expects) == (BETWEEN, False)


OFFER = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")


def test_an_upgrade_offer_is_declined_and_the_body_still_read() -> None:
    (inbound,) = taken(post(b"{}", *OFFER))
    assert inbound.request.body == b"{}"
    assert inbound.keep_alive


def test_after_a_declined_offer_the_connection_goes_on() -> None:
    intake = Intake(LIMITS)
    offered = CHUNKED.replace(b"Host: a", b"\r\n".join([b"Host: a", *OFFER]))
    for piece in (offered, b"2\r\n", b"{}\r\n0\r\n", b"\r\n"):
        intake.feed(piece)
    assert intake.ready.popleft().request.body == b"{}"
    intake.feed(get(b"Host: a", *OFFER) + get(b"Host: a", target=b"/next"))
    assert [each.request.path for each in intake.ready] == ["/", "/next"]


def test_nothing_is_pipelined_behind_a_declined_offer_with_a_body() -> None:
    intake = Intake(LIMITS)
    with pytest.raises(FederationError):
        intake.feed(post(b"{}", *OFFER) + get(b"Host: a"))
    assert len(intake.ready) == 1


def test_a_compressed_body_is_handed_on_with_its_coding() -> None:
    body = gzip.compress(b"{}")
    (inbound,) = taken(post(body, b"Content-Encoding: GZIP"))
    assert inbound.coding == b"gzip"
    assert inbound.request.body == body


EXCHANGES = [
    post(b'{"model":"x"}' * 30, b"X-A: b", b"X-A: c") + get(b"Host: a", target=b"/%41?q=1"),
    CHUNKED + b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n",
    post(b"{}", *OFFER),
    b"\r\n" + get(b"Connection: keep-alive", version=b"1.0") + post(b"abc", version=b"1.0"),
]


def through(pieces: Iterable[bytes]) -> list[Inbound]:
    """Feed as a connection does: never while a request waits to be answered."""
    intake, answered, held = Intake(LIMITS), [], b""
    for piece in pieces:
        held = piece
        intake.feed(held)
        while intake.ready:
            answered.append(intake.ready.popleft())
    return answered


@settings(deadline=None, max_examples=150)
@given(exchange=st.sampled_from(EXCHANGES), cuts=st.lists(st.integers(0, 700), max_size=12))
def test_no_split_of_the_bytes_changes_the_requests(exchange: bytes, cuts: list[int]) -> None:
    bounds = [0, *sorted(min(cut, len(exchange)) for cut in cuts), len(exchange)]
    pieces = [exchange[a:b] for a, b in itertools.pairwise(bounds) if a != b]
    assert through(pieces) == through([exchange])


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_bytes_one_by_one_make_the_same_requests(exchange: bytes) -> None:
    assert through(bytes([byte]) for byte in exchange) == through([exchange])


@settings(deadline=None, max_examples=300)
@given(
    exchange=st.sampled_from(EXCHANGES),
    edits=st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 3), st.binary(max_size=4)), max_size=4
    ),
)
def test_mutated_requests_are_taken_or_refused_and_nothing_else(
    exchange: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    mutated = bytearray(exchange)
    for at, removed, inserted in edits:
        mutated[at : at + removed] = inserted
    with contextlib.suppress(FederationError):
        through([bytes(mutated)])


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused_or_waited_for(data: bytes) -> None:
    with contextlib.suppress(FederationError):
        assert through([data]) == []
