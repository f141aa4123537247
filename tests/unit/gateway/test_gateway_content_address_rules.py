"""Addresses of pictures and files: what leads inside is refused, however it is written."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from federation.errors import InvalidRequest
from federation.gateway.content_addresses import (
    check_address,
    check_body,
    check_chat,
    check_found,
    may_name_any,
)
from federation.schema.chat import ChatRequest, Message
from federation.schema.parts import IMAGE, Foreign, Media, Part, Text, ToolCall, ToolResult

INSIDE = (
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:8080/",
    "https://10.1.2.3/a.png",
    "http://[::1]/a",
    "http://[::ffff:10.0.0.1]/a",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://127.1/",
    "http://%31%32%37.0.0.1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://localhost/a",
    "http://LOCALHOST./a",
    "http://metadata.google.internal/x",
    "http://postgres:5432/",
    "http://vault.default.svc/v1",
    "http://images.corp.internal/a.png",
    "http://printer.local/",
)
TWOFOLD = (
    "http://example.com\\@10.0.0.1/",
    "http://user:word@example.com/a.png",
    "http://exa\tmple.com/",
    "http:/\\10.0.0.1/",
    "http:///a.png",
    "http://example.com:port/",
    "https://[::1",
    "http:10.0.0.1/a",
    "\x00http://10.0.0.1/",
    "\x1fhttps://example.com/a.png",
    "\ufeffhttp://10.0.0.1/",
    "\u200bhttp://10.0.0.1/",
    "ht\ttp://10.0.0.1/",
    "http\n://10.0.0.1/",
    "<http://10.0.0.1/>",
)
NEVER = (
    "file:///etc/passwd",
    "gopher://example.com/x",
    "FTP://example.com/a",
    "jar:file:/x",
    "URL:http://10.0.0.1/",
    "<URL:http://10.0.0.1/>",
    "\x01fi\rle:///etc/passwd",
)
FINE = (
    "https://example.com/a.png",
    "https://example.com:8443/a.png?u=http://10.0.0.1/#b",
    " https://cdn.example.com/ä.png ",
    "http://93.184.216.34/a.png",
    "data:image/png;base64,AAAA",
    "gs://bucket/a.png",
    "s3://bucket/a.png",
    "",
    "file_123",
)


def chat(*parts: Part) -> ChatRequest:
    return ChatRequest("openai", "m", (Message("user", parts),))


@pytest.mark.parametrize("address", INSIDE + TWOFOLD + NEVER)
def test_an_address_that_leads_inside_or_may_be_read_in_two_ways_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_address(address, "messages[0]", ())
    assert caught.value.code == "content_address"
    assert caught.value.param == "messages[0]"


@pytest.mark.parametrize("address", FINE)
def test_a_public_address_and_what_is_none_pass(address: str) -> None:
    check_address(address, "messages[0]", ())


def test_the_operator_may_list_hosts_and_networks_and_no_metadata_service() -> None:
    allowed = ("images.corp.internal", "10.2.0.0/16", "169.254.0.0/16", "postgres")
    check_address("http://images.corp.internal/a.png", "x", allowed)
    check_address("http://10.2.3.4/a.png", "x", allowed)
    check_address("http://postgres/a.png", "x", allowed)
    for address in (
        "http://169.254.169.254/",
        "http://other.corp.internal/",
        "http://10.3.0.1/",
        "http://a.images.corp.internal/",
    ):
        with pytest.raises(InvalidRequest):
            check_address(address, "x", allowed)


@pytest.mark.parametrize(
    "part",
    [
        Media(IMAGE, url="http://10.0.0.1/a"),
        ToolResult("c", (Text("see"), Media(IMAGE, url="http://10.0.0.1/a"))),
        Foreign("openai", Raw(b'{"type":"x","x_url":{"url":"http:\\/\\/10.0.0.1"}}')),
        ToolResult("c", (Foreign("openai", Raw(b'{"uris":["http://10.0.0.1"]}')),)),
    ],
    ids=["picture", "in a result", "foreign", "foreign in a result"],
)
def test_every_part_that_a_provider_would_fetch_is_looked_at(part: Part) -> None:
    with pytest.raises(InvalidRequest):
        check_chat(chat(part), ())


def test_words_and_arguments_of_tools_may_name_what_they_like() -> None:
    inside = "http://localhost:3000/"
    check_chat(
        chat(
            Text(inside),
            ToolCall("c", "browse", json.dumps({"url": inside})),
            ToolResult("c", (Text(inside),)),
        ),
        (),
    )


def test_an_operations_body_is_judged_by_the_names_of_its_members() -> None:
    check_body(b'{"input":["http://10.0.0.1/a"],"model":"m"}', ())
    check_body(b'{"input":[{"image_url":{"url":"https://example.com/a"}}]}', ())
    check_body(b"--form\r\n", ())
    for body in (
        b'{"input":[{"type":"image_url","image_url":{"url":"http://10.0.0.1/a"}}]}',
        b'{"images":["https://example.com/a","http://[::1]/a"]}',
        b'{"content":{"parts":[{"fileData":{"fileUri":"file:///etc/passwd"}}]}}',
        b'{"input":[{"image":"http:\\/\\/10.0.0.1\\/a"}]}',
    ):
        assert may_name_any(body)
        with pytest.raises(InvalidRequest):
            check_body(body, ())


def test_a_quick_look_misses_no_address_and_passes_inline_content() -> None:
    assert not may_name_any(b'{"url":"data:image/png;base64,AA//BBBBBBBBBBBBBBBBBBBBBBBB//"}')
    for text in ('"http://a"', '"http:\\/\\/a"', '"\\u0068ttp://a"', '" http://a"', '"h\\u0074"'):
        assert may_name_any(b'{"url":' + text.encode() + b"}")


@pytest.mark.parametrize(
    "skipped", [" ", "\x7f", "<", "\u00a0", "\u200b", "\u2060", "\u3000", "\ufeff"]
)
def test_a_quick_look_sees_an_address_behind_any_number_of_blanks(skipped: str) -> None:
    for address in ("http://10.0.0.1/", "\\u0068ttp://10.0.0.1/", "ht\\ttp://10.0.0.1/"):
        body = f'{{"url":"{skipped * 40}{address}"}}'.encode()
        assert may_name_any(body)
        with pytest.raises(InvalidRequest):
            check_body(body, ())


def test_names_that_look_public_are_handed_back_with_their_fields() -> None:
    parts = (
        Media(IMAGE, url="https://CDN.example.com./a"),
        Media(IMAGE, url="https://images.corp.internal/a"),
        Media(IMAGE, url="http://93.184.216.34/a"),
    )
    assert check_chat(chat(*parts), ("images.corp.internal",)) == {"cdn.example.com": "messages[0]"}
    body = b'{"images":["https://a.example.com/a","https://b.example.com/b"],"url":"data:,"}'
    assert check_body(body, ()) == {"a.example.com": "images", "b.example.com": "images"}


def test_what_a_name_leads_to_is_judged_as_an_address_is() -> None:
    check_found(["93.184.216.34", "2606:2800:220:1::1"], "images", ())
    check_found(["10.2.0.1"], "images", ("10.2.0.0/16",))
    for found in (["93.184.216.34", "10.2.0.1"], ["::1"], ["fe80::1%eth0"]):
        with pytest.raises(InvalidRequest, match="leads inside"):
            check_found(found, "images", ())
