"""What fuzzing and round trips across dialects found, each as the smallest case."""

from __future__ import annotations

import json

import pytest
from bedrock_world import WEATHER, ask, sent
from cross_world import WIRES
from native_dialects import client_request

from federation.errors import UpstreamGarbled
from federation.schema.chat import REQUIRED, OutputFormat, ToolChoice
from federation.schema.parts import Text, ToolResult


def test_a_call_that_must_come_leaves_no_room_for_a_json_answer() -> None:
    wanted = ask(format=OutputFormat("json"), tools=(WEATHER,), tool_choice=ToolChoice(REQUIRED))
    body, losses = sent(wanted)
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["weather"]
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert losses == ()


@pytest.mark.parametrize("text", ["{", '{"a":', "{} and more", "plain", '{"a":1}'])
def test_a_result_under_the_vendors_word_is_its_text_unless_it_is_an_object(text: str) -> None:
    result = {"name": "f", "response": {"output": text}}
    body = {
        "contents": [
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": result}]},
        ]
    }
    face = WIRES["gemini"].face
    asked = client_request(body, "/v1beta/models/m:generateContent")
    (found,) = face.parse(asked, face.glance(asked)).messages[1].parts
    assert isinstance(found, ToolResult)
    (said,) = found.parts
    assert isinstance(said, Text)
    kept = json.dumps(result["response"])
    assert said.text == (text if text != '{"a":1}' else kept)


def test_an_answer_without_choices_is_none() -> None:
    upstream = WIRES["openai"].upstream
    with pytest.raises(UpstreamGarbled):
        upstream.decode(b'{"id":"c","choices":[],"usage":{"prompt_tokens":1}}')
    decoder = upstream.decoder()
    with pytest.raises(UpstreamGarbled):
        decoder.feed(b'data: {"choices":[]}\n\ndata: [DONE]\n\n')
    assert not decoder.started
    assert not decoder.complete


@pytest.mark.parametrize("target", sorted(WIRES.keys() - {"openai"}))
@pytest.mark.parametrize(
    ("said", "strange"),
    [
        ({"enable_thinking": True}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, False),
        ({"reasoning": {"effort": "high"}}, False),
        ({"chat_template_kwargs": {"enable_thinking": True}}, False),
        ({"safety_identifier": "u"}, False),
        ({"chat_template_kwargs": {"other": 1}}, True),
        ({"enable_thinking": True, "other": 1}, True),
        ({"safety_identifier": "u", "stream_options": {"other": True}}, True),
    ],
)
def test_a_hosts_word_for_what_is_asked_is_not_unknown(
    target: str, said: dict[str, object], strange: bool
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **said}
    face = WIRES["openai"].face
    asked = client_request(body, "/v1/chat/completions")
    losses = WIRES[target].upstream.encode(face.parse(asked, face.glance(asked))).losses
    assert ("unknown_field" in losses) is strange
