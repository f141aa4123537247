"""What the face accepts, what it refuses and with which words, and what goes on as bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from native_dialects import make_upstream

from federation.dialects.gemini.client import CLIENT
from federation.dialects.gemini.paths import route
from federation.dialects.gemini.upstream import prepare
from federation.domain.routes import Settings
from federation.errors import InvalidRequest, PayloadTooLarge
from federation.schema.chat import ChatRequest
from federation.schema.http import ClientRequest, WireRequest
from federation.schema.parts import Text, ToolCall, ToolResult

BASE = "https://api.acme.test/v1beta"
WHOLE = "/v1beta/models/m:generateContent"
STREAM = "/v1beta/models/m:streamGenerateContent"
COUNT = "/v1beta/models/m:countTokens"
HI = {"role": "user", "parts": [{"text": "Hi"}]}


def asked(body: Any, path: str = WHOLE, query: str = "") -> ClientRequest:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ClientRequest("POST", path, query, {}, text)


def parsed(body: Any, path: str = WHOLE, query: str = "") -> ChatRequest:
    request = asked(body, path, query)
    return CLIENT.parse(request, CLIENT.glance(request))


def forwarded(body: Any, path: str = WHOLE, query: str = "", **more: Any) -> WireRequest:
    request = asked(body, path, query)
    face = make_upstream(prepare, "gemini", base_url=BASE, model="m", **more)
    return face.forward(CLIENT.glance(request), request.body)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1beta/models/m:generateContent", ("m", "generateContent")),
        ("/v1/models/m:streamGenerateContent", ("m", "streamGenerateContent")),
        ("/v1alpha/models/acme/m:7b:countTokens", ("acme/m:7b", "countTokens")),
        ("/v1beta1/publishers/google/models/m:generateContent", ("m", "generateContent")),
        ("/v1/projects/p/locations/l/publishers/google/models/m:countTokens", ("m", "countTokens")),
        ("/v1beta1/publishers/acme/models/m:generateContent", ("acme/m", "generateContent")),
        ("/v1/models/m", None),
        ("/v1/models", None),
        ("/v1/models/m:embedContent", None),
        ("/v1/models/:generateContent", None),
        ("/v2/models/m:generateContent", None),
        ("/v1/models/m:generateContent/x", None),
        ("/x/v1/models/m:generateContent", None),
        ("/v1/publishers/google/models/m:rawPredict", None),
        # As the AI SDK writes a name with a slash.
        ("/v1beta/acme/m:8b:generateContent", ("acme/m:8b", "generateContent")),
        ("/v1beta/acme/m:streamGenerateContent", ("acme/m", "streamGenerateContent")),
        ("/v1beta/m:generateContent", None),
        ("/v1/projects/p/locations/l/endpoints/9:generateContent", None),
    ],
)
def test_paths_name_the_model_and_the_method(path: str, found: Any) -> None:
    assert route(path) == found


@pytest.mark.parametrize(
    ("path", "query", "stream", "kind"),
    [
        (WHOLE, "", False, b"application/json; charset=UTF-8"),
        (STREAM, "", True, b"application/json; charset=UTF-8"),
        (STREAM, "alt=sse", True, b"text/event-stream"),
        (STREAM, "key=k&$alt=sse", True, b"text/event-stream"),
        (STREAM, "key=k&alt=json", True, b"application/json; charset=UTF-8"),
    ],
)
def test_the_path_and_the_query_decide_how_the_answer_comes(
    path: str, query: str, stream: bool, kind: bytes
) -> None:
    request = asked({"contents": [HI]}, path, query)
    glance = CLIENT.glance(request)
    assert (glance.stream, glance.usage_asked) == (stream, stream)
    assert CLIENT.parse(request, glance).stream == stream
    assert CLIENT.stream_type(request) == kind


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": "Hi"}, "contents"),
        ({"contents": [1]}, "contents[0]"),
        ({"contents": [{"role": "system", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"role": 1, "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": "Hi"}]}, "contents[0].parts"),
        ({"contents": [{"parts": [{"text": 1}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"text": 1, "thought": True}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{"inlineData": 1}]}]}, "contents[0].parts[0].inlineData"),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": 1}}]}]},
            "contents[0].parts[0].inlineData.mimeType",
        ),
        ({"contents": [HI], "generationConfig": 1}, "generationConfig"),
        (
            {"contents": [HI], "generationConfig": {"temperature": "hot"}},
            "generationConfig.temperature",
        ),
        (
            {"contents": [HI], "generationConfig": {"maxOutputTokens": 0}},
            "generationConfig.maxOutputTokens",
        ),
        (
            {"contents": [HI], "generationConfig": {"thinkingConfig": {"thinkingBudget": "x"}}},
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        ({"contents": [HI], "systemInstruction": "Hi"}, "systemInstruction"),
        ({"contents": [HI], "tools": 1}, "tools"),
        (
            {"contents": [HI], "tools": [{"functionDeclarations": 1}]},
            "tools[0].functionDeclarations",
        ),
        ({"contents": [HI], "labels": {"a": 1}}, "labels[...]"),
        ({"contents": [HI], "model": "models/other"}, "model"),
        ({"contents": [HI], "model": 1}, "model"),
    ],
)
def test_a_wrong_member_is_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(asked(body))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {"contents": [{"role": "user", "parts": [{"functionCall": {"name": "f"}}]}]},
            "contents[0].parts[0].functionCall",
        ),
        (
            {"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]},
            "contents[0].parts[0].functionCall.name",
        ),
        (
            {"contents": {"role": "model", "parts": [{"functionCall": {"name": "f", "args": 1}}]}},
            "contents[0].parts[0].functionCall.args",
        ),
        (
            {"contents": [{"role": "model", "parts": [{"functionResponse": {"name": "f"}}]}]},
            "contents[0].parts[0].functionResponse",
        ),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]},
            "contents[0].parts[0].functionResponse.response",
        ),
        (
            {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png"}}]}]},
            "contents[0].parts[0].inlineData.data",
        ),
        ({"contents": [{"parts": [{"text": "a", "thoughtSignature": 1}]}]},
         "contents[0].parts[0].thoughtSignature"),
        ({"contents": [HI], "tools": [{"functionDeclarations": [{}]}]},
         "tools[0].functionDeclarations[0].name"),
        ({"contents": [HI], "tools": [{"functionDeclarations": [{"name": "f", "parameters": 1}]}]},
         "tools[0].functionDeclarations[0].parameters"),
        ({"contents": [HI], "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}},
         "toolConfig.functionCallingConfig.mode"),
        ({"contents": [HI], "generationConfig": {"responseSchema": {}, "responseJsonSchema": {}}},
         "generationConfig.responseSchema"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(body: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parsed(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body",
    [
        b'{"contents":[{"parts":[{"text":"a"}]}],"contents":[]}',
        b'{"contents":[{"parts":[{"text":"a"}],"parts":[]}]}',
        b'{"contents":[{"parts":[{"text":"a"}],"\\u0070arts":[]}]}',
        b'{"contents": [{"parts": [{"text": "a", "text": "b"}]}]}',
        b'{"contents":[{"parts":[{"text":"a","text":"b"}]}]}',
        b'{"contents":[{"parts":[{"inlineData":{"mimeType":"a/b"},"inline_data":{}}]}]}',
        b'{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{},"generation_config":{}}',
        b'{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"topK":1,"top_k":2}}',
        b'{"contents":[{"parts":[{"text":"a"}]}],"cachedContent":"","cached_content":"x"}',
        b'{"contents":[{"parts":[{"text":"a"}]}],"systemInstruction":{"parts":[],"parts":[]}}',
        b'{"contents":[{"parts":[{"text":"a"}]}],"tools":[{"googleSearch":{},"google_search":{}}]}',
    ],
)
def test_a_member_that_stands_twice_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.glance(asked(body))
    assert caught.value.code == "duplicate_field"


@pytest.mark.parametrize(
    ("member", "value", "governed"),
    [
        ("cached_content", "cachedContents/x", ("cachedContent",)),
        ("safety_settings", [{"category": "c"}], ("safetySettings",)),
        ("service_tier", "priority", ("serviceTier",)),
        ("serviceTier", "standard", ()),
        ("store", False, ()),
        ("store", None, ()),
        ("generation_config", {"routing_config": {"a": 1}}, ("generationConfig.routingConfig",)),
        ("generationConfig", {"modelConfig": {}}, ()),
        ("tools", [{"google_search": {}}, {"x": []}], ("tools.googleSearch", "tools.x")),
        ("tools", {"urlContext": {}}, ("tools.urlContext",)),
        ("outputConfig", {"outputUriPrefix": "gs://x"}, ("outputConfig",)),
    ],
)  # fmt: skip
def test_governed_fields_are_found_in_both_spellings(
    member: str, value: Any, governed: tuple[str, ...]
) -> None:
    glance = CLIENT.glance(asked({"contents": [HI], member: value}))
    assert glance.governed == governed
    assert glance.unlisted == ()


def test_fields_that_nobody_knows_are_told() -> None:
    body = {
        "contents": [{"parts": [{"hologram": {}}]}],
        "generationConfig": {"newKnob": 1},
        "new_field": {},
    }
    glance = CLIENT.glance(asked(body))
    assert glance.unlisted == ("newField", "generationConfig.newKnob", "content.hologram")


def test_a_bomb_of_values_is_too_large() -> None:
    body = b'{"contents":[' + b",".join([b'{"parts":[]}'] * 60_000) + b"]}"
    with pytest.raises((PayloadTooLarge, InvalidRequest)):
        CLIENT.glance(asked(body))


@pytest.mark.parametrize(
    "body",
    [
        {"contents": HI},
        {"contents": {"parts": {"text": "Hi"}}},
        {"contents": [{"parts": {"text": "Hi"}}], "systemInstruction": {"parts": {"text": "Be"}}},
        {"contents": [HI], "tools": {"functionDeclarations": {"name": "f"}}},
    ],
)
def test_one_object_stands_for_a_list(body: Any) -> None:
    request = parsed(body)
    assert request.messages[-1].parts == (Text("Hi"),)


def test_numbers_in_quotes_are_numbers() -> None:
    config = {"maxOutputTokens": "12", "temperature": "0.5", "topK": "40", "seed": "3"}
    request = parsed({"contents": [HI], "generationConfig": config})
    assert request.max_output == 12
    assert (request.sampling.temperature, request.sampling.top_k) == (0.5, 40)


def test_results_without_ids_answer_calls_of_their_name_in_order() -> None:
    def call(name: str, **more: Any) -> Any:
        return {"functionCall": {"name": name, "args": {}, **more}}

    def result(name: str, **more: Any) -> Any:
        return {"functionResponse": {"name": name, "response": {}, **more}}

    said = {"text": "T"}
    body = {
        "contents": [
            {"role": "model", "parts": [call("a"), call("b"), call("a", id="x")]},
            {"role": "user", "parts": [result("b"), result("a"), result("a", id="x"), said]},
            {"role": "model", "parts": [call("a")]},
            {"role": "function", "parts": [result("a", id="strange"), result("z")]},
        ]
    }  # fmt: skip
    messages = parsed(body).messages
    parts = [part for one in messages for part in one.parts]
    calls = [part.id for part in parts if isinstance(part, ToolCall)]
    answers = [part.call_id for part in parts if isinstance(part, ToolResult)]
    assert calls == ["call_0_0", "call_0_1", "x", "call_2_0"]
    assert answers == ["call_0_1", "call_0_0", "x", "call_2_0", "call_3_1"]
    assert [one.role for one in messages] == ["assistant", "tool", "user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("response", "text", "error"),
    [
        ({"output": "x"}, "x", False),
        ({"error": "x"}, "x", True),
        ({"result": "x"}, '{"result": "x"}', False),
        ({"result": 1, "error": None}, '{"result": 1, "error": null}', False),
        ({"error": {"code": 5}}, '{"error": {"code": 5}}', True),
        ({"output": '{"a": 1}'}, '{"output": "{\\"a\\": 1}"}', False),
        ({}, "{}", False),
    ],
)
def test_a_results_object_is_read_and_written_back(response: Any, text: str, error: bool) -> None:
    body = {
        "contents": [
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": response}}]},
        ]
    }
    request = parsed(body)
    result = request.messages[1].parts[0]
    assert isinstance(result, ToolResult)
    assert (result.parts, result.error) == ((Text(text),), error)
    face = make_upstream(prepare, "gemini", base_url=BASE, model="m")
    assert json.loads(face.encode(request).request.body) == body


@pytest.mark.parametrize(
    ("tier", "canonical"),
    [("standard", "default"), ("unspecified", "auto"), ("flex", "flex"), ("priority", "priority")],
)
def test_service_tiers_have_the_common_words(tier: str, canonical: str) -> None:
    body = {"contents": [HI], "serviceTier": tier}
    request = parsed(body)
    assert request.service_tier == canonical
    face = make_upstream(prepare, "gemini", base_url=BASE, model="m")
    assert json.loads(face.encode(request).request.body) == body


def test_a_translated_call_asks_for_whole_arguments() -> None:
    calling = {"mode": "AUTO", "streamFunctionCallArguments": True}
    body = {
        "contents": [HI],
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "toolConfig": {"functionCallingConfig": calling},
    }
    face = make_upstream(prepare, "gemini", base_url=BASE, model="m")
    sent = json.loads(face.encode(parsed(body)).request.body)
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert json.loads(forwarded(body).body) == body


def test_a_streamed_answer_kept_in_pieces_is_one_turn() -> None:
    body = {
        "contents": [
            HI,
            {"role": "model", "parts": [{"text": "Th", "thought": True}]},
            {"role": "model", "parts": [{"text": "ink", "thought": True}]},
            {"role": "model", "parts": [{"text": "Hel"}]},
            {"role": "model", "parts": [{"text": "lo"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
            {"role": "model", "parts": [{"text": ""}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
        ]
    }
    messages = parsed(body).messages
    assert [one.role for one in messages] == ["user", "assistant", "tool"]
    texts = [getattr(part, "text", getattr(part, "name", "")) for part in messages[1].parts]
    assert texts == ["Think", "Hello", "f"]


def test_counting_takes_a_wrapped_call_too() -> None:
    inner = {"model": "models/m", "contents": [HI], "systemInstruction": {"parts": [{"text": "S"}]}}
    for body in ({"contents": [HI]}, {"generateContentRequest": inner}):
        request = asked(body, COUNT)
        glance = CLIENT.glance(request)
        assert glance.messages == 1
        assert not glance.stream
        assert CLIENT.parse(request, glance).messages[-1].parts == (Text("Hi"),)
        assert CLIENT.prompt(request, glance).startswith("Hi")
    with pytest.raises(InvalidRequest):
        CLIENT.glance(asked({"contents": [HI], "generateContentRequest": inner}, COUNT))


def test_the_prompt_is_the_last_question_and_the_setting() -> None:
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "What is the capital of France?"}]},
            {"role": "model", "parts": [{"text": "Paris."}]},
            {"role": "user", "parts": [{"text": "And of Spain?"}, {"inline_data": {"data": ""}}]},
        ],
        "system_instruction": {"parts": [{"text": "Answer briefly."}]},
    }
    request = asked(body)
    expected = "What is the capital of France?\nAnd of Spain?\n\nAnswer briefly."
    assert CLIENT.prompt(request, CLIENT.glance(request)) == expected


def test_forwarding_changes_no_other_byte() -> None:
    body = b'{ "contents" : [{"parts":[{"text":"\\u00e6 "}]}],"model":"models/m", "x":1.50 }'
    wire = forwarded(body)
    assert wire.body == b'{ "contents" : [{"parts":[{"text":"\\u00e6 "}]}], "x":1.50 }'


def test_a_forwarded_stream_keeps_the_clients_framing() -> None:
    body = {"contents": [HI]}
    assert forwarded(body, STREAM, "alt=sse").target.endswith(":streamGenerateContent?alt=sse")
    assert forwarded(body, STREAM, "").target.endswith(":streamGenerateContent")


def test_a_row_drops_adds_and_sets_in_either_spelling() -> None:
    quirks: dict[str, object] = {
        "sampling": "drop",
        "drop": ["labels"],
        "default": {"maxOutputTokens": 9, "safetySettings": []},
        "set": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
    }
    body = {
        "contents": [HI],
        "labels": {"a": "b"},
        "generation_config": {"top_p": 0.5, "temperature": 1, "media_resolution": "X", "seed": 1},
    }
    sent = json.loads(forwarded(body, quirks=quirks).body)
    assert sent == {
        "contents": [HI],
        "generation_config": {
            "media_resolution": "MEDIA_RESOLUTION_LOW",
            "seed": 1,
            "maxOutputTokens": 9,
        },
        "safetySettings": [],
    }
    face = make_upstream(prepare, "gemini", base_url=BASE, quirks=quirks)
    dropped = face.dropped_fields(CLIENT.glance(asked(body)))
    assert dropped == ("labels", "generationConfig.temperature", "generationConfig.topP")
    assert json.loads(forwarded({"contents": [HI]}, quirks=quirks).body)["generationConfig"] == {
        "maxOutputTokens": 9,
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
    }


def test_the_operators_defaults_are_added() -> None:
    settings = Settings(max_tokens_default=5, temperature_default=0.0)
    sent = json.loads(forwarded({"contents": [HI]}, settings=settings).body)
    assert sent["generationConfig"] == {"maxOutputTokens": 5, "temperature": 0.0}


@pytest.mark.parametrize(
    ("parts", "needed"),
    [
        ([{"functionCall": {"name": "f"}}], True),
        ([{"function_call": {"name": "f"}}], True),
        ([{"functionCall": {"name": "f"}, "thoughtSignature": "QUJD"}], False),
        ([{"function_call": {"name": "f"}, "thought_signature": "QUJD"}], False),
        (
            [
                {"text": "a"},
                {"functionCall": {"name": "f"}, "thoughtSignature": "QUJD"},
                {"functionCall": {"name": "f"}},
            ],
            False,
        ),
        ([{"text": "functionCall"}], False),
    ],
)
def test_a_call_without_a_signature_is_written_anew_where_the_row_needs_one(
    parts: list[Any], needed: bool
) -> None:
    request = asked({"contents": [HI, {"role": "model", "parts": parts}]})
    glance = CLIENT.glance(request)
    signed = make_upstream(prepare, "gemini", base_url=BASE, quirks={"reasoning_replay": "signed"})
    assert signed.needs_translation(glance, request.body) is needed
    plain = make_upstream(prepare, "gemini", base_url=BASE)
    assert not plain.needs_translation(glance, request.body)


@pytest.mark.parametrize(
    "address", ["ftp://a.test", "https://u@a.test", "https://a.test?x=1", "https://{place}.a.test"]
)
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="base address"):
        make_upstream(prepare, "gemini", base_url=address)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-4", "/v1beta/models/gemini-4:generateContent"),
        ("models/gemini-4", "/v1beta/models/gemini-4:generateContent"),
        ("tunedModels/mine-1", "/v1beta/tunedModels/mine-1:generateContent"),
        ("a b/c:d", "/v1beta/models/a%20b%2Fc%3Ad:generateContent"),
    ],
)
def test_the_models_name_stands_in_the_path(model: str, path: str) -> None:
    face = make_upstream(prepare, "gemini", base_url=BASE, model=model)
    request = asked({"contents": [HI]})
    assert face.forward(CLIENT.glance(request), request.body).target == path
