"""JSON texts and strings that others collected to break parsers, put into chat calls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.dialects.openai.forward import forward
from federation.dialects.openai.glance import glance
from federation.dialects.openai.prompt import prompt_text
from federation.dialects.openai.wire import Wire
from federation.errors import InvalidRequest
from federation.schema.http import ClientRequest

DATA = Path(os.environ.get("FEDERATION_DATA", Path(__file__).parents[4] / "shared" / "data"))
SUITE = DATA / "vectors" / "jsontestsuite" / "test_parsing"
NAUGHTY = DATA / "vectors" / "blns" / "blns.json"
MESSAGES = b'"messages":[{"role":"user","content":"x"}]'

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not SUITE.is_dir(), reason=f"no shared data at {DATA}"),
]

MakeWire = Callable[..., Wire]
MakeRequest = Callable[..., ClientRequest]


def embedded(text: bytes) -> list[bytes]:
    """The text as the value of a field that nobody knows, first and last in the body."""
    return [b'{"x":' + text + b"," + MESSAGES + b"}", b"{" + MESSAGES + b', "x" :' + text + b"}"]


def texts(kind: str) -> list[Path]:
    return sorted(SUITE.glob(f"{kind}_*.json")) if SUITE.is_dir() else []


@pytest.mark.parametrize("path", texts("y"), ids=lambda path: path.stem)
def test_every_legal_text_is_forwarded_byte_for_byte(
    path: Path, make_wire: MakeWire, make_request: MakeRequest
) -> None:
    for body in embedded(path.read_bytes()):
        seen = glance(make_request(body))
        span = seen.spans["x"]
        sent = forward(make_wire(), seen, body).body
        assert body[span.key : span.end] in sent
        assert json.loads(sent)["x"] == json.loads(path.read_bytes())


@pytest.mark.parametrize("path", texts("n"), ids=lambda path: path.stem)
def test_every_illegal_text_is_refused_with_a_place(path: Path, make_request: MakeRequest) -> None:
    for body in embedded(path.read_bytes()):
        with pytest.raises(InvalidRequest) as caught:
            glance(make_request(body))
        assert caught.value.code == "invalid_json"
        assert "byte" in caught.value.message or "deeply" in caught.value.message


@pytest.mark.parametrize("path", texts("i"), ids=lambda path: path.stem)
def test_a_text_of_doubtful_legality_is_taken_or_refused_but_never_a_fault(
    path: Path, make_wire: MakeWire, make_request: MakeRequest
) -> None:
    for body in embedded(path.read_bytes()):
        try:
            seen = glance(make_request(body))
        except InvalidRequest:
            continue
        forward(make_wire(), seen, body)


def test_naughty_strings_pass_as_content_and_everywhere_else(
    make_wire: MakeWire, make_request: MakeRequest
) -> None:
    strings = json.loads(NAUGHTY.read_text("utf-8"))
    assert len(strings) > 400
    wire = make_wire()
    for text in strings:
        call = {
            "messages": [{"role": "user", "content": text, "name": text}],
            "user": text[:512],
            "stop": [text],
            "metadata": {text: text},
            text: text,
            "federation": {"session": text[:256], "tags": {text[:256]: text[:256]}},
        }
        for ascii_only in (True, False):
            body = json.dumps(call, ensure_ascii=ascii_only).encode()
            seen = glance(make_request(body))
            assert prompt_text(body, seen) == text
            assert seen.text_bytes >= len(text.encode())
            sent = json.loads(forward(wire, seen, body).body)
            assert sent["messages"][0]["content"] == text
            assert "federation" not in sent
