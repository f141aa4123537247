"""What names an object that is stored under our account is governed, in whatever spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest

from federation.dialects.losses import check_addresses
from federation.dialects.operations.table import find_client
from federation.dialects.table import CLIENTS
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest, Message
from federation.schema.http import ClientRequest
from federation.schema.parts import FILE, IMAGE, Media, Part, ToolResult

PATHS = {
    "anthropic": "/v1/messages",
    "openai": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "gemini": "/v1beta/models/m:generateContent",
    "cohere": "/v2/chat",
}


def governed(dialect: str, body: bytes | Any) -> tuple[str, ...]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = ClientRequest(
        "POST", PATHS[dialect], "", {b"content-type": b"application/json"}, data
    )
    return CLIENTS[dialect].glance(request).governed


def chat(*parts: Any, **more: Any) -> Any:
    messages = [{"role": "user", "content": list(parts) or "x"}]
    if more:
        messages.append({"role": "assistant", "content": "x", **more})
    return {"model": "m", "messages": messages}


def responses(part: Any) -> Any:
    return {"model": "m", "input": [{"role": "user", "content": [part]}]}


def gemini(part: Any) -> Any:
    return {"contents": [{"role": "user", "parts": [part]}]}


GOOGLE = "https://generativelanguage.googleapis.com/v1beta/files/abc-1"
STORED: list[tuple[str, Any, str]] = [
    ("openai", chat({"type": "file", "file": {"file_id": "file-1"}}), "content.file"),
    ("openai", chat(audio={"id": "audio_1"}), "messages.audio"),
    ("openai_responses", responses({"type": "input_file", "file_id": "file-1"}), "content.file"),
    ("openai_responses", responses({"type": "input_image", "file_id": "file-1"}), "content.file"),
    ("gemini", gemini({"fileData": {"fileUri": GOOGLE}}), "fileData"),
    ("gemini", gemini({"file_data": {"file_uri": "files/abc"}}), "fileData"),
    ("gemini", gemini({"fileData": {"fileUri": "gs://bucket/x.png"}}), "fileData"),
    (
        "gemini",
        gemini(
            {"functionResponse": {"name": "f", "response": {}, "parts": [
                {"fileData": {"fileUri": "gs://b/x"}}]}}
        ),
        "fileData",
    ),
    (
        "gemini",
        (
            rb'{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{},'
            rb'"p\u0061rts":{"file\u0044ata":{"file\u0055ri":"gs:\/\/b/x"}}}}]}]}'
        ),
        "fileData",
    ),
    ("openai", chat({"type": "image_url", "image_url": {"url": "gs://b/x.png"}}), "content.file"),
    ("openai", chat({"type": "image_url", "image_url": " S3://b/x.png"}), "content.file"),
    ("openai", chat({"type": "audio_url", "audio_url": {"url": "oss://b/x.wav"}}), "content.file"),
    ("openai", chat({"type": "file", "file": {"file_data": "dbfs:/x.pdf"}}), "content.file"),
    ("openai", chat({"type": "video", "video": ["https://a.test", "oss://b/x"]}), "content.file"),
    (
        "openai",
        (
            rb'{"model":"m","messages":[{"role":"user","content":[{"type":"image_url",'
            rb'"image_url":{"u\u0072l":"\u0067s:\/\/b/x"}}]}]}'
        ),
        "content.file",
    ),
    (
        "openai_responses",
        responses({"type": "input_image", "image_url": "gs://b/x.png"}),
        "content.file",
    ),
    ("openai_responses", responses({"type": "input_file", "file_url": "gs://b"}), "content.file"),
    ("gemini", gemini({"fileData": {"fileUri": "oss://bucket/x.png"}}), "fileData"),
    ("cohere", chat({"type": "image_url", "image_url": {"url": "gs://b/x.png"}}), "content.file"),
    (
        "anthropic",
        chat({"type": "image", "source": {"type": "url", "url": "gs://b/x.png"}}),
        "content.file",
    ),
    (
        "openai",
        (
            rb'{"model":"m","messages":[{"role":"user","content":[{"type":"file",'
            rb'"file":{"file\u005fid":"file-1"}}]}]}'
        ),
        "content.file",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "body", "name"), STORED)
def test_a_stored_object_is_governed(dialect: str, body: Any, name: str) -> None:
    assert governed(dialect, body) == (name,)


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai", chat({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA"}})),
        ("openai", chat({"type": "file", "file": {"file_data": "AA", "file_id": None}})),
        ("openai", chat(audio=None)),
        ("openai", chat({"type": "image_url", "image_url": {"url": "HTTPS://a.test/?u=gs://b"}})),
        ("openai", chat({"type": "image_url", "image_url": {"url": "data:image/png;base64,A://"}})),
        ("openai", chat({"type": "text", "text": "gs://bucket/x"})),
        ("openai", chat({"type": "file", "file": {"filename": "Re: x", "file_data": "AA"}})),
        ("anthropic", chat({"type": "image", "source": {"type": "url", "url": "https://a.test"}})),
        ("openai_responses", responses({"type": "input_image", "image_url": "https://a.test/x"})),
        ("openai_responses", responses({"type": "input_file", "file_url": "b", "file_id": ""})),
        ("gemini", gemini({"fileData": {"fileUri": "https://a.test/x.png"}})),
        ("gemini", gemini({"text": "gs://bucket/x fileData"})),
        ("cohere", chat({"type": "image_url", "image_url": {"url": "https://a.test/x.png"}})),
        ("gemini", gemini({"functionResponse": {"name": "f", "response": {"parts": []}}})),
    ],
)  # fmt: skip
def test_what_anybody_can_open_is_not(dialect: str, body: Any) -> None:
    assert governed(dialect, body) == ()


def picture(url: str) -> Any:
    return {"type": "image_url", "image_url": {"url": url}}


EMBED_ONE = "/v1beta/models/m:embedContent"
OPERATIONS: list[tuple[str, str, Any]] = [
    ("/v2/embed", "content.file", lambda url: {"images": [url]}),
    ("/v2/embed", "content.file", lambda url: {"inputs": [{"content": [picture(url)]}]}),
    ("/v1/embeddings", "content.file", lambda url: {"input": ["x", {"image": url}]}),
    ("/v1/embeddings", "content.file", lambda url: {"input": [{"image": {"url": url}}]}),
    ("/v1/moderations", "content.file", lambda url: {"input": [picture(url)]}),
    (
        EMBED_ONE,
        "fileData",
        lambda url: {"content": {"parts": [{"file_data": {"file_uri": url}}]}},
    ),
    (
        "/v1beta/models/m:batchEmbedContents",
        "fileData",
        lambda url: {"requests": [{"content": {"parts": [{"fileData": {"fileUri": url}}]}}]},
    ),
]


def governed_of(path: str, body: Any) -> tuple[str, ...]:
    face = find_client(path)
    assert face is not None
    data = json.dumps({"model": "m"} | body if path.startswith(("/v1/", "/v2/")) else body)
    headers = {b"content-type": b"application/json"}
    return face.glance(ClientRequest("POST", path, "", headers, data.encode())).governed


@pytest.mark.parametrize(("path", "name", "body"), OPERATIONS)
def test_so_it_is_in_other_operations(path: str, name: str, body: Any) -> None:
    for url in ("gs://b/x.png", " S3://b/x.png", "oss://b/x.png"):
        assert governed_of(path, body(url)) == (name,)
    for url in ("https://a.test/x.png", "data:image/png;base64,AAAA"):
        assert governed_of(path, body(url)) == ()


def test_words_that_look_like_an_address_are_embedded() -> None:
    assert governed_of("/v1/embeddings", {"input": ["gs://b/x", {"text": "gs://b/x"}]}) == ()
    assert governed_of("/v2/embed", {"texts": ["gs://b/x"]}) == ()
    assert governed_of(EMBED_ONE, {"content": {"parts": [{"text": "gs://b/x"}]}}) == ()


def test_a_thing_to_embed_that_names_two_places_is_refused() -> None:
    body = b'{"model":"m","input":[{"image":"gs://b/x","image":"https://a.test"}]}'
    face = find_client("/v1/embeddings")
    assert face is not None
    with pytest.raises(InvalidRequest, match="twice"):
        face.glance(ClientRequest("POST", "/v1/embeddings", "", {}, body))


@pytest.mark.parametrize("url", ["s3://bucket/x.png", "gs://b/x", "file:///etc/passwd", "S3://b"])
@pytest.mark.parametrize("kind", [IMAGE, FILE])
def test_a_bucket_is_no_address_in_another_dialect(url: str, kind: str) -> None:
    for part in (Media(kind, url=url), ToolResult("c", parts=(Media(kind, url=url),))):
        parts: tuple[Part, ...] = (part,)
        call = ChatRequest("bedrock", "m", (Message("user", parts),))
        with pytest.raises(InvalidRequest) as caught:
            check_addresses(call)
        assert caught.value.code == "not_expressible"


def test_a_public_address_is_one_everywhere() -> None:
    parts: tuple[Part, ...] = (Media(IMAGE, url="HTTPS://a.test/x"), Media(IMAGE, data="AA"))
    check_addresses(ChatRequest("bedrock", "m", (Message("user", parts),)))
