"""Events that differ in a piece of text alone are told by their form, and told the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.openai.streams import StreamDecoder
from federation.dialects.openai.text_events import form_of
from federation.dialects.openai.wire import Wire
from federation.schema.chunks import Chunk, Delta

MakeWire = Callable[..., Wire]


def event(delta: dict[str, Any], finish: str | None = None, **members: Any) -> bytes:
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    ascii_only = members.pop("ascii_only", True)
    text = json.dumps({**body, "choices": choices, **members}, ensure_ascii=ascii_only)
    return f"data: {text}\n\n".encode()


def says(text: str, **members: Any) -> bytes:
    return event({"content": text}, **members)


def both_ways(wire: Wire, events: list[bytes]) -> list[Chunk]:
    """What a decoder tells, which is what one tells that learns no forms."""
    quick, slow = StreamDecoder(wire), StreamDecoder(wire)
    told: list[Chunk] = []
    for data in events:
        before = quick.feed(data)
        slow._form = None
        assert slow.feed(data) == before
        told += before
    assert (quick.started, quick.done, quick.complete) == (slow.started, slow.done, slow.complete)
    assert quick.malformed == slow.malformed
    assert quick.close() == slow.close()
    return told


def test_more_of_the_text_is_told_by_its_form(make_wire: MakeWire) -> None:
    texts = ["One", " more", "\n", 'say "hi"', "a\\b", "é", "日本", " end"]
    told = both_ways(make_wire(), [says(text, ascii_only=False) for text in texts])
    assert [chunk.text for chunk in told if isinstance(chunk, Delta)] == texts


def test_a_form_is_learned_from_the_event_before(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire())
    decoder.feed(says("One"))
    assert decoder._form is None
    decoder.feed(says(" two"))
    assert decoder._form is not None
    assert decoder._form.more(says(" three")) == Delta(0, 0, " three")
    assert decoder._form.more(says("")) is None
    assert decoder._form.more(says("a", model="other")) is None
    assert decoder._form.more(says("half \ud83d")) is None
    assert decoder._form.more(says("a").replace(b"a", b"\xff")) is None


def test_padding_may_differ_from_event_to_event(make_wire: MakeWire) -> None:
    padded = [says(text, obfuscation="x" * size) for size, text in enumerate(("a", "b", "c", "d"))]
    told = both_ways(make_wire(), padded)
    assert [chunk.text for chunk in told if isinstance(chunk, Delta)] == ["a", "b", "c", "d"]
    decoder = StreamDecoder(make_wire())
    decoder.feed(padded[0])
    decoder.feed(padded[1])
    assert decoder._form is not None
    assert decoder._form.more(padded[3]) == Delta(0, 0, "d")
    assert decoder._form.more(says("a", obfuscation='", "more": "b')) is None
    assert decoder._form.more(says('a"', obfuscation="b")) == Delta(0, 0, 'a"')


@pytest.mark.parametrize(
    "strange",
    [
        event({"content": "x", "refusal": "no"}),
        event({"content": "x", "reasoning_content": "hm"}),
        event({"reasoning_content": "hm"}),
        event({"content": "x", "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}),
        event({"content": "x", "audio": {"data": "AA==", "id": "a"}}),
        event({"content": "x"}, "stop"),
        event({"content": None, "refusal": "x"}),
        says("x", usage={"prompt_tokens": 1, "completion_tokens": 2}),
        says("x").replace(b"\n\n", b"\r\n\r\n"),
        says("x").replace(b"data: ", b": a comment\ndata: "),
        b": ping\n\n",
        b"data: {no json\n\n",
        b"data: [DONE]\n\n",
        event({"content": "x"}).replace(b'"content": "x"', b'"content": "x", "content": "y"'),
    ],
)
def test_whatever_says_something_else_is_read_in_full(make_wire: MakeWire, strange: bytes) -> None:
    events = [says("One"), says(" two"), strange, says(" three"), says(" four"), strange]
    both_ways(make_wire(), [*events, event({}, "stop"), b"data: [DONE]\n\n"])


def test_cut_bytes_and_several_events_at_once_are_told_alike(make_wire: MakeWire) -> None:
    whole = b"".join(says(text) for text in ("a", " b", " c", " d", " e", " f"))
    for size in (1, 5, 50, 200, 333, 1000):
        both_ways(make_wire(), [whole[at : at + size] for at in range(0, len(whole), size)])


def test_thoughts_in_tags_have_no_form(make_wire: MakeWire) -> None:
    decoder = StreamDecoder(make_wire(quirks={"reasoning_field": "think_tags"}))
    for text in ("One", " two", " <th", "ink> three"):
        decoder.feed(says(text))
        assert decoder._form is None


def test_no_form_is_learned_where_the_text_may_stand_elsewhere() -> None:
    assert form_of(says("x"), Delta(0, 0, "other")) is None
    assert form_of(says("x"), Delta(0, 0, "x", signature="s")) is None
    assert form_of(says("x", note="\\"), Delta(0, 0, "x")) is None
    other = form_of(says("x", obfuscation="a-b"), Delta(0, 0, "x"))
    assert other is not None
    assert other.more(says("x", obfuscation="abc")) is None
    assert form_of(says("x").replace(b'"content": ', b'"content":  '), Delta(0, 0, "x")) is None
