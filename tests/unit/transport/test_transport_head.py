"""A request's head: what we add, what we refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import InvalidRequest
from federation.schema.http import Headers, Origin, WireRequest
from federation.transport.head import HeadWriter, authority

ORIGIN = Origin("https", "api.example.com", 443)


def written(
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    target: str = "/v1/x",
    body: bytes = b"",
    writer: HeadWriter | None = None,
) -> tuple[str, Headers]:
    writer = writer or HeadWriter("api.example.com")
    head = writer.render(WireRequest(method, ORIGIN, target, headers, body))
    start, *lines, end, last = head.split(b"\r\n")
    assert end == last == b""
    pairs = [tuple(line.split(b": ", 1)) for line in lines]
    assert len({pair[0] for pair in pairs}) == len(pairs)
    return start.decode(), {pair[0]: pair[1] for pair in pairs}


def test_host_length_and_encoding_are_added() -> None:
    start, fields = written((b"authorization", b"Bearer k"), body=b"abc")
    assert start == "POST /v1/x HTTP/1.1"
    assert fields == {
        b"host": b"api.example.com",
        b"accept-encoding": b"identity",
        b"content-length": b"3",
        b"authorization": b"Bearer k",
    }


def test_what_the_request_says_of_host_and_encoding_stays() -> None:
    _, fields = written((b"host", b"signed.example"), (b"accept-encoding", b"gzip"))
    assert fields[b"host"] == b"signed.example"
    assert fields[b"accept-encoding"] == b"gzip"


def test_a_get_without_content_has_no_length() -> None:
    _, fields = written(method="GET")
    assert fields == {b"host": b"api.example.com", b"accept-encoding": b"identity"}
    assert b"content-length" in written(method="GET", body=b"x")[1]
    assert written(method="POST")[1][b"content-length"] == b"0"


def test_framing_and_hop_by_hop_fields_are_ours() -> None:
    _, fields = written(
        (b"content-length", b"999"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"close"),
        (b"proxy-authorization", b"Basic x"),
        (b"x-kept", b"1"),
        body=b"ab",
    )
    assert fields == {
        b"host": b"api.example.com",
        b"accept-encoding": b"identity",
        b"content-length": b"2",
        b"x-kept": b"1",
    }


def test_a_plain_proxy_is_told_the_whole_address() -> None:
    writer = HeadWriter("x.org", "http://x.org", (b"proxy-authorization: Basic z",))
    start, fields = written(writer=writer, method="GET")
    assert start == "GET http://x.org/v1/x HTTP/1.1"
    assert fields[b"proxy-authorization"] == b"Basic z"


@pytest.mark.parametrize(
    "target",
    ["", "v1", "@evil/", "/a b", "/a\r\nx: y", "/a\n", "/\0", "/ü", "/\x7f", "/a\tb", "http://e/"],
)
def test_a_target_that_leaves_its_line_is_refused(target: str) -> None:
    with pytest.raises(InvalidRequest):
        written(target=target)


@pytest.mark.parametrize("method", ["", "GET /", "G\r\n", "GÉT"])
def test_a_method_that_is_no_word_is_refused(method: str) -> None:
    with pytest.raises(InvalidRequest):
        written(method=method)


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"a\n", b"A", b"\xc3\xa4", b"a\0"])
def test_a_name_that_is_no_token_is_refused(name: bytes) -> None:
    with pytest.raises(InvalidRequest):
        written((name, b"x"))


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\r", b"\0", b"\n\r", b"\r\n"])
def test_a_value_that_leaves_its_line_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest):
        written((b"x-a", value))


@given(
    st.lists(
        st.tuples(
            st.from_regex(rb"x-[a-z0-9]{1,8}", fullmatch=True),
            st.binary(max_size=20),
        ),
        max_size=5,
        unique_by=lambda pair: pair[0],
    )
)
def test_a_head_never_has_more_lines_than_fields(headers: list[tuple[bytes, bytes]]) -> None:
    writer = HeadWriter("h")
    request = WireRequest("POST", ORIGIN, "/", tuple(headers), b"")
    if any(byte in value for _, value in headers for byte in b"\r\n\0"):
        with pytest.raises(InvalidRequest):
            writer.render(request)
    else:
        lines = writer.render(request).split(b"\r\n")
        assert len(lines) == 1 + len(headers) + 3 + 2
        for name, value in headers:
            assert name + b": " + value in lines


def test_what_is_remembered_is_bounded() -> None:
    writer = HeadWriter("h")
    for number in range(600):
        name = b"x-%d" % number
        writer.render(WireRequest("GET", ORIGIN, f"/{number}", ((name, b"1"),)))
    assert len(writer._starts) <= 256
    assert len(writer._plans) <= 256


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin("https", "a.example", 443), "a.example"),
        (Origin("https", "a.example", 8443), "a.example:8443"),
        (Origin("http", "a.example", 80), "a.example"),
        (Origin("http", "::1", 8000), "[::1]:8000"),
        (Origin("http", "[::1]", 80), "[::1]"),
        (Origin("https", "bücher.example", 443), "xn--bcher-kva.example"),
        (Origin("https", "ü..example", 443), "?..example"),
        (Origin("http+unix", "control", 0, "/run/api.sock"), "control"),
        (Origin("http+unix", "", 0, "/run/api.sock"), "localhost"),
    ],
)
def test_the_host_field_names_the_port_where_it_is_not_the_usual_one(
    origin: Origin, expected: str
) -> None:
    assert authority(origin) == expected


def test_a_head_whose_fields_are_known_differs_in_nothing_but_the_length() -> None:
    fields = ((b"authorization", b"Bearer k"), (b"connection", b"close"), (b"x-model", b"m 1"))
    writer, fresh = HeadWriter("api.example.com"), HeadWriter
    for method in ("POST", "PUT", "POST"):
        for target in ("/v1/x", "/v1/y", "/v1/x"):
            for body in (b"abc", b"", b"z" * 1000):
                request = WireRequest(method, ORIGIN, target, fields, body)
                assert writer.render(request) == fresh("api.example.com").render(request)


def test_other_fields_are_written_and_checked_anew() -> None:
    writer = HeadWriter("api.example.com")
    for number in range(600):
        _, fields = written((b"x-number", b"%d" % number), writer=writer)
        assert fields[b"x-number"] == b"%d" % number
    with pytest.raises(InvalidRequest):
        written((b"x-number", b"1\r\nx-forged: 2"), writer=writer)
