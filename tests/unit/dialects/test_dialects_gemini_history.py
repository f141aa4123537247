"""How official clients send back what they were told: in pieces, and in the other base64."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from native_dialects import client_request

from federation.dialects.envelopes import Letter, digest_of, enclose
from federation.dialects.gemini.client import CLIENT
from federation.schema.chat import Message
from federation.schema.parts import Media, Text, Thinking

PATH = "/v1beta/models/acme-large:generateContent"


def read(*contents: Any) -> tuple[Message, ...]:
    request = client_request({"contents": contents}, PATH)
    return CLIENT.parse(request, CLIENT.glance(request)).messages


@pytest.mark.parametrize("size", [1, 2, 3, 200])
def test_a_picture_in_url_safe_base64_is_read_as_standard_base64(size: int) -> None:
    data = (b"\xff\xfe\xfb\xef" * 60)[:size]
    sent = base64.urlsafe_b64encode(data).decode()
    for text in (sent, sent.rstrip("="), base64.b64encode(data).decode()):
        picture = {"inlineData": {"mimeType": "image/png", "data": text}}
        (message,) = read({"role": "user", "parts": [picture]})
        (part,) = message.parts
        assert isinstance(part, Media)
        assert base64.b64decode(part.data, validate=True) == data


def test_a_streamed_answer_that_comes_back_in_pieces_is_one_text() -> None:
    pieces = [{"text": "Hel"}, {"text": "lo"}, {"text": ""}]
    question = {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}
    asked, said = read(question, {"role": "model", "parts": pieces})
    assert asked.parts == (Text("a"), Text("b"))
    assert said.parts == (Text("Hello"),)


def test_streamed_reasoning_is_whole_again_under_its_envelope() -> None:
    letter = Letter("anthropic", signature="s" * 20, text=digest_of("So it is."))
    envelope = enclose(letter, b"k" * 32)
    parts = [
        {"text": "So ", "thought": True},
        {"text": "it is.", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": envelope},
        {"text": "Yes."},
    ]
    _, said = read(
        {"role": "user", "parts": [{"text": "?"}]},
        {"role": "model", "parts": parts},
    )
    first, second = said.parts
    assert isinstance(first, Thinking)
    assert (first.text, first.signature) == ("So it is.", envelope)
    assert second == Text("Yes.")


def test_pieces_of_one_sort_are_not_joined_over_another() -> None:
    parts = [{"text": "a"}, {"text": "b", "thought": True}, {"text": "c"}]
    _, said = read(
        {"role": "user", "parts": [{"text": "?"}]},
        {"role": "model", "parts": parts},
    )
    assert [type(part) for part in said.parts] == [Text, Thinking, Text]
