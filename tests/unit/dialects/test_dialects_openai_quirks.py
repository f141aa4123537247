"""Every quirk of content is obeyed: the values are read from rows of the compiled catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from federation.catalogue import reader
from federation.dialects.openai.glance import glance
from federation.dialects.openai.upstream import OpenAIUpstream, prepare
from federation.domain.catalogue import Deployment, Model, Provider
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import (
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    Tool,
    ToolChoice,
)
from federation.schema.http import ClientRequest
from federation.schema.parts import CUSTOM, CacheMark, Media, Text, Thinking, ToolCall, ToolResult

MakeRequest = Callable[..., ClientRequest]
CATALOGUE = reader.load()
ASKED = Message("user", (Text("Why?"),))
WEATHER = Tool("weather", "Tells it", Raw(b'{"type":"object"}'))
TURN = (
    ASKED,
    Message(
        "assistant",
        (ToolCall("toolu_01", "weather", '{"city":"Lima"}'), ToolCall("call_b", "weather", "{}")),
    ),
    Message("tool", (ToolResult("toolu_01", (Text("warm"),)),)),
    Message("tool", (ToolResult("call_b", (Text("cold"),)),)),
)


def row(provider: str, model: str | None = None, **quirks: object) -> OpenAIUpstream:
    """A deployment as the catalogue describes it; `quirks` are the model's own, on top."""
    found = CATALOGUE[provider]
    chosen = next((item for item in found.models if model in (None, item.id)), Model("m"))
    address = re.sub(r"\{\w+\}", "acme", found.base_url)
    host = Provider(
        found.id, found.name, found.tier, found.dialect, address, quirks={**found.quirks, **quirks}
    )
    return prepare(Deployment(f"{provider}/{chosen.id}", host, chosen, usable=True), Settings())


def having(quirk: str, value: object = None) -> list[str]:
    """Providers of this language whose row has the quirk, with this value where one is given."""
    found = [
        provider.id
        for provider in CATALOGUE.values()
        if provider.dialect == "openai"
        and quirk in provider.quirks
        and value in (None, provider.quirks[quirk])
    ]
    assert found, quirk
    return found


def request(*messages: Message, dialect: str = "anthropic", **others: Any) -> ChatRequest:
    return ChatRequest(dialect, "chat", messages or (ASKED,), **others)


def body_of(upstream: OpenAIUpstream, asked: ChatRequest) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(upstream.encode(asked).request.body)
    return sent


def losses_of(upstream: OpenAIUpstream, asked: ChatRequest) -> tuple[str, ...]:
    return upstream.encode(asked).losses


def translates(upstream: OpenAIUpstream, **body: Any) -> bool:
    data = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hi"}], **body})
    seen = glance(ClientRequest("POST", "/", "", {}, data.encode()))
    return upstream.needs_translation(seen, data.encode())


@pytest.mark.parametrize("provider", having("output_limit_field"))
def test_the_output_limit_has_the_rows_name(provider: str) -> None:
    field = CATALOGUE[provider].quirks["output_limit_field"]
    sent = body_of(row(provider), request(max_output=50))
    assert {name: sent.get(name) for name in ("max_tokens", "max_completion_tokens")} == {
        "max_tokens": None,
        "max_completion_tokens": None,
        field: 50,
    }


def test_the_output_limit_is_max_tokens_where_the_row_is_silent() -> None:
    assert body_of(row("groq"), request(max_output=50))["max_tokens"] == 50


@pytest.mark.parametrize("provider", having("drop"))
def test_dropped_fields_are_not_sent_and_named(provider: str) -> None:
    drop = CATALOGUE[provider].quirks["drop"]
    assert isinstance(drop, list)
    sampling = Sampling(
        frequency_penalty=0.5,
        presence_penalty=0.5,
        seed=1,
        logit_bias=Raw(b'{"1":1}'),
        logprobs=True,
        top_logprobs=2,
    )
    upstream = row(provider)
    assert drop == [
        name for name in drop if name not in body_of(upstream, request(sampling=sampling))
    ]
    if "functions" not in drop:
        assert losses_of(upstream, request(sampling=sampling))


@pytest.mark.parametrize("provider", having("rename", {"seed": "random_seed"}))
def test_renamed_fields_go_under_the_rows_name(provider: str) -> None:
    sent = body_of(row(provider), request(sampling=Sampling(seed=7)))
    assert sent["random_seed"] == 7
    assert "seed" not in sent


@pytest.mark.parametrize("provider", having("default"))
def test_defaults_are_sent(provider: str) -> None:
    default = CATALOGUE[provider].quirks["default"]
    assert isinstance(default, dict)
    sent = body_of(row(provider), request())
    assert {name: sent[name] for name in default} == default


def test_fixed_values_win() -> None:
    sent = body_of(row("groq", set={"temperature": 0}), request(sampling=Sampling(temperature=1.0)))
    assert sent["temperature"] == 0


@pytest.mark.parametrize("provider", having("accepts_only"))
def test_only_accepted_fields_are_sent(provider: str) -> None:
    accepted = CATALOGUE[provider].quirks["accepts_only"]
    assert isinstance(accepted, list)
    asked = request(max_output=5, user="u", sampling=Sampling(top_p=0.5), stream=True)
    assert set(body_of(row(provider), asked)) <= set(accepted)
    assert losses_of(row(provider), asked) == ("output_limit", "top_p", "user")


def models_having(quirk: str, value: object = None) -> list[tuple[str, str]]:
    found = [
        (provider.id, model.id)
        for provider in CATALOGUE.values()
        for model in provider.models
        if provider.dialect == "openai"
        and quirk in model.quirks
        and value in (None, model.quirks[quirk])
    ]
    assert found, quirk
    return found[:4]


@pytest.mark.parametrize(("provider", "model"), models_having("sampling", "drop"))
def test_sampling_is_dropped_where_the_model_refuses_it(provider: str, model: str) -> None:
    asked = request(sampling=Sampling(temperature=0.5, top_p=0.5, seed=1))
    sent = body_of(row(provider, model), asked)
    assert not {"temperature", "top_p"} & set(sent)
    assert {"temperature", "top_p"} <= set(losses_of(row(provider, model), asked))


@pytest.mark.parametrize(("provider", "model"), models_having("system_role", "developer"))
def test_system_text_is_the_developers_where_the_model_knows_that_role(
    provider: str, model: str
) -> None:
    asked = request(Message("system", (Text("Be kind"),)), ASKED)
    assert body_of(row(provider, model), asked)["messages"][0]["role"] == "developer"
    other = request(Message("developer", (Text("Be kind"),)), ASKED, dialect="openai")
    assert body_of(row("groq"), other)["messages"][0]["role"] == "system"


@pytest.mark.parametrize("provider", having("system_role", "first_only"))
def test_system_text_stands_first_and_turns_alternate(provider: str) -> None:
    assert CATALOGUE[provider].quirks["messages_alternate"] is True
    asked = request(
        Message("system", (Text("One"),)),
        Message("user", (Text("A"),)),
        Message("user", (Text("B"),)),
        Message("system", (Text("Two"),)),
        Message("assistant", (Text("C"),)),
        Message("user", (Text("D"),)),
    )
    sent = body_of(row(provider), asked)["messages"]
    assert [item["role"] for item in sent] == ["system", "user", "assistant", "user"]
    assert [part["text"] for part in sent[0]["content"]] == ["One", "Two"]
    assert [part["text"] for part in sent[1]["content"]] == ["A", "B"]
    assert losses_of(row(provider), asked) == ("system_place",)
    turns = [{"role": "user", "content": "A"}, {"role": "user", "content": "B"}]
    assert translates(row(provider), messages=turns)
    assert not translates(row(provider))


@pytest.mark.parametrize("provider", having("string_content", True))
def test_content_is_one_string(provider: str) -> None:
    parts = (Text("One"), Text("Two", cache=CacheMark()))
    sent = body_of(row(provider), request(Message("user", parts)))["messages"]
    assert sent == [{"role": "user", "content": "One\n\nTwo"}]
    with pytest.raises(InvalidRequest, match="pictures"):
        row(provider).encode(request(Message("user", (Media("image", url="https://a.test"),))))
    text = [{"type": "text", "text": "Hi"}]
    assert translates(row(provider), messages=[{"role": "user", "content": text}])
    assert not translates(row(provider))


@pytest.mark.parametrize("provider", having("empty_assistant", "reject"))
def test_an_empty_turn_of_the_assistant_is_left_out(provider: str) -> None:
    sent = body_of(row(provider), request(ASKED, Message("assistant", ()), ASKED))["messages"]
    assert [item["role"] for item in sent] == ["user", "user"]
    kept = body_of(row("groq"), request(ASKED, Message("assistant", ()), ASKED))["messages"]
    assert kept[1] == {"role": "assistant", "content": ""}
    turns = [{"role": "assistant", "content": ""}, {"role": "user", "content": "B"}]
    assert translates(row(provider), messages=turns)


@pytest.mark.parametrize("provider", having("name_field", "tool_only"))
def test_names_stand_on_tool_messages_alone(provider: str) -> None:
    named = Message("user", (Text("Hi"),), name="ann")
    result = Message("tool", (ToolResult("toolu_01", (Text("warm"),), name="weather"),))
    sent = body_of(row(provider), request(named, TURN[1], result))["messages"]
    assert "name" not in sent[0]
    assert sent[2]["name"] == "weather"
    assert "message_name" in losses_of(row(provider), request(named))


@pytest.mark.parametrize("provider", having("image_urls", False))
def test_remote_pictures_are_refused_where_the_host_does_not_fetch(provider: str) -> None:
    remote = Message("user", (Media("image", url="https://a.test/a.png"),))
    with pytest.raises(InvalidRequest) as caught:
        row(provider).encode(request(remote))
    assert caught.value.param == "messages[0].content[0]"
    inline = Message("user", (Media("image", "image/png", data="aGk="),))
    sent = body_of(row(provider), request(inline))["messages"][0]["content"]
    assert sent == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]


@pytest.mark.parametrize("provider", having("tool_choice"))
def test_only_accepted_choices_of_tools_are_sent(provider: str) -> None:
    accepted = CATALOGUE[provider].quirks["tool_choice"]
    assert isinstance(accepted, list)
    upstream = row(provider)
    for mode in ("auto", "none"):
        asked = request(tools=(WEATHER,), tool_choice=ToolChoice(mode))
        sent = body_of(upstream, asked)
        assert sent.get("tool_choice", mode) == mode
        # Where calls cannot be forbidden, there is nothing left to call.
        assert ("tools" in sent) == (mode in accepted)
    for choice in (ToolChoice("required"), ToolChoice("named", "weather")):
        with pytest.raises(InvalidRequest):
            upstream.encode(request(tools=(WEATHER,), tool_choice=choice))
    tool = {"type": "function", "function": {"name": "weather"}}
    assert translates(upstream, tools=[tool], tool_choice="none") == ("none" not in accepted)
    assert not translates(upstream, tools=[tool], tool_choice="auto")


def test_naming_a_tool_becomes_requiring_it_alone_where_that_is_all_there_is() -> None:
    upstream = row("groq", tool_choice=["auto", "required"])
    asked = request(tools=(WEATHER, Tool("clock")), tool_choice=ToolChoice("named", "clock"))
    sent = body_of(upstream, asked)
    assert [item["function"]["name"] for item in sent["tools"]] == ["clock"]
    assert sent["tool_choice"] == "required"


@pytest.mark.parametrize("provider", having("tool_types", ["function"]))
def test_only_accepted_kinds_of_tools_are_sent(provider: str) -> None:
    free = Tool("shell", kind=CUSTOM)
    with pytest.raises(InvalidRequest, match="free text"):
        row(provider).encode(request(tools=(free,)))
    assert body_of(row("groq"), request(tools=(free,)))["tools"][0]["type"] == "custom"
    custom = {"type": "custom", "custom": {"name": "shell"}}
    assert translates(row(provider), tools=[custom])


@pytest.mark.parametrize("provider", having("tool_schema_strip"))
def test_keys_are_taken_out_of_schemas(provider: str) -> None:
    strip = CATALOGUE[provider].quirks["tool_schema_strip"]
    assert isinstance(strip, list)
    schema = {
        "$schema": "x",
        "type": "object",
        "additionalProperties": False,
        "properties": {"strict": {"type": "string", "enum": [{"strict": 1}]}},
    }
    tool = Tool("t", schema=Raw(msgspec.json.encode(schema)), strict=True)
    sent = body_of(row(provider), request(tools=(tool,)))["tools"][0]["function"]
    assert sent == {
        "name": "t",
        "parameters": {
            "type": "object",
            "properties": {"strict": {"type": "string", "enum": [{"strict": 1}]}},
        },
    }
    assert losses_of(row(provider), request(tools=(tool,))) == ("tool_schema", "strict_tools")
    assert translates(row(provider), tools=[{"type": "function", "function": {"name": "t"}}])


def test_keys_of_a_tool_are_renamed() -> None:
    renamed = CATALOGUE["oci"].quirks["tool_schema_rename"]
    upstream = row("groq", tool_schema_rename=renamed)
    sent = body_of(upstream, request(tools=(Tool("t", strict=True),)))["tools"][0]["function"]
    assert sent == {"name": "t", "isStrict": True}


@pytest.mark.parametrize("provider", having("tool_result_string", True))
def test_a_tools_result_is_a_string_and_its_pictures_follow(provider: str) -> None:
    image = Media("image", "image/png", data="aGk=")
    result = ToolResult("toolu_01", (Text("One"), Text("Two"), image))
    sent = body_of(row(provider), request(ASKED, TURN[1], Message("tool", (result,))))["messages"]
    assert sent[2]["content"] == "One\n\nTwo"
    assert sent[3]["role"] == "user"
    assert [part["type"] for part in sent[3]["content"]] == ["text", "image_url"]


@pytest.mark.parametrize("provider", having("tool_results", "one_per_assistant_turn"))
def test_each_result_follows_its_call(provider: str) -> None:
    sent = body_of(row(provider), request(*TURN))["messages"]
    assert [item["role"] for item in sent] == ["user", "assistant", "tool", "assistant", "tool"]
    for call, result in ((sent[1], sent[2]), (sent[3], sent[4])):
        assert [item["id"] for item in call["tool_calls"]] == [result["tool_call_id"]]


@pytest.mark.parametrize("provider", having("tool_call_id", "alnum9"))
def test_call_ids_get_nine_letters_or_digits(provider: str) -> None:
    sent = body_of(row(provider), request(*TURN))["messages"]
    made = [item["id"] for item in sent[1]["tool_calls"]]
    assert made == [item["tool_call_id"] for item in sent[2:]]
    assert len(set(made)) == 2
    assert all(re.fullmatch("[A-Za-z0-9]{9}", item) for item in made)
    native = ToolCall("aB3dE6gH9", "weather", "{}")
    again = body_of(row(provider), request(ASKED, Message("assistant", (native,))))["messages"]
    assert again[1]["tool_calls"][0]["id"] == native.id
    assert body_of(row(provider), request(*TURN))["messages"] == sent


def test_arguments_are_objects_and_ids_left_out_where_the_row_says_so() -> None:
    arguments = CATALOGUE["gigachat"].quirks["tool_arguments"]
    upstream = row("groq", tool_arguments=arguments, tool_call_ids=False)
    sent = body_of(upstream, request(*TURN))["messages"]
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == {"city": "Lima"}
    assert "id" not in sent[1]["tool_calls"][0]
    assert "tool_call_id" not in sent[2]
    broken = Message("assistant", (ToolCall("a", "weather", "{torn"),))
    encoded = upstream.encode(request(ASKED, broken))
    assert "tool_arguments" in encoded.losses
    written = json.loads(encoded.request.body)["messages"][1]["tool_calls"][0]["function"]
    assert "{torn" in json.dumps(written["arguments"])


@pytest.mark.parametrize("provider", having("json_mode", False))
def test_any_object_is_a_schema_where_there_is_no_json_mode(provider: str) -> None:
    sent = body_of(row(provider), request(format=OutputFormat("json")))["response_format"]
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["schema"] == {"type": "object"}
    assert translates(row(provider), response_format={"type": "json_object"})


@pytest.mark.parametrize("provider", having("json_schema_excludes"))
def test_a_schema_is_refused_beside_what_the_host_cannot_combine_it_with(provider: str) -> None:
    excludes = CATALOGUE[provider].quirks["json_schema_excludes"]
    assert isinstance(excludes, list)
    form = OutputFormat("schema", Raw(b'{"type":"object"}'))
    assert body_of(row(provider), request(format=form))["response_format"]["json_schema"]
    with pytest.raises(InvalidRequest):
        row(provider).encode(request(format=form, tools=(WEATHER,)))
    if "stream" in excludes:
        with pytest.raises(InvalidRequest):
            row(provider).encode(request(format=form, stream=True))


@pytest.mark.parametrize("provider", having("temperature_max"))
def test_a_temperature_is_brought_down_to_the_highest(provider: str) -> None:
    most = CATALOGUE[provider].quirks["temperature_max"]
    upstream = row(provider, model="none-such")
    asked = request(sampling=Sampling(temperature=1.7))
    assert body_of(upstream, asked)["temperature"] == most
    assert losses_of(upstream, asked) == ("temperature",)
    assert translates(upstream, temperature=1.7)
    assert not translates(upstream, temperature=0.5)


@pytest.mark.parametrize("provider", having("single_choice", True))
def test_several_answers_are_refused_by_a_host_of_one(provider: str) -> None:
    assert "n" not in body_of(row(provider), request(sampling=Sampling(choices=1)))
    with pytest.raises(InvalidRequest):
        row(provider).encode(request(sampling=Sampling(choices=2)))


THOUGHT = Message("assistant", (Thinking("Rivers"), Text("Lima")))
CALLED = Message("assistant", (Thinking("Rivers"), ToolCall("call_a", "weather", "{}")))
RESULT = Message("tool", (ToolResult("call_a", (Text("warm"),)),))


@pytest.mark.parametrize("provider", having("reasoning_replay", "always"))
def test_reasoning_of_every_turn_goes_back(provider: str) -> None:
    field = CATALOGUE[provider].quirks["reasoning_field"]
    silent = Message("assistant", (Text("Quito"),))
    sent = body_of(row(provider), request(ASKED, THOUGHT, ASKED, silent, ASKED))["messages"]
    assert sent[1][field] == "Rivers"
    # The host refuses a turn without reasoning, and an empty text too.
    assert sent[3][field] == " "
    off = request(ASKED, silent, ASKED, reasoning=Reasoning("none"))
    assert field not in body_of(row(provider), off)["messages"][1]
    turns = [{"role": "assistant", "content": "Quito"}, {"role": "user", "content": "B"}]
    assert translates(row(provider), messages=turns)
    turns[0][str(field)] = "Rivers"
    assert not translates(row(provider), messages=turns)


@pytest.mark.parametrize("provider", having("reasoning_replay", "tool_turns"))
def test_reasoning_of_tool_turns_goes_back(provider: str) -> None:
    field = CATALOGUE[provider].quirks["reasoning_field"]
    asked = request(ASKED, CALLED, RESULT, THOUGHT, ASKED)
    sent = body_of(row(provider), asked)["messages"]
    assert sent[1][field] == "Rivers"
    assert field not in sent[3]
    assert "thinking_history" in losses_of(row(provider), asked)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_of_the_running_turn_goes_back_in_the_hosts_field(field: str) -> None:
    for provider in having("reasoning_field", field):
        if "reasoning_replay" in CATALOGUE[provider].quirks:
            continue
        sent = body_of(row(provider), request(ASKED, THOUGHT, ASKED, CALLED, RESULT))["messages"]
        assert field not in sent[1]
        assert sent[3][field] == "Rivers"


def test_reasoning_without_a_place_is_left_out_and_named() -> None:
    asked = request(ASKED, CALLED, RESULT)
    sent = body_of(row("openai", "gpt-5.4-mini"), asked)["messages"]
    assert set(sent[1]) == {"role", "content", "tool_calls"}
    assert losses_of(row("openai", "gpt-5.4-mini"), asked) == ("thinking_history",)


@pytest.mark.parametrize("provider", having("reasoning_field", "think_tags"))
def test_reasoning_goes_back_between_tags(provider: str) -> None:
    running = Message("assistant", (Thinking("Rivers"), Text("Wait"), CALLED.parts[1]))
    sent = body_of(row(provider), request(ASKED, running, RESULT))["messages"]
    assert sent[1]["content"] == "<think>\nRivers\n</think>\n\nWait"


@pytest.mark.parametrize("provider", having("reasoning_field", "content_parts"))
def test_signed_reasoning_goes_back_as_parts(provider: str) -> None:
    signed = Message("assistant", (Thinking("Rivers", signature="sig"), CALLED.parts[1]))
    sent = body_of(row(provider), request(ASKED, signed, RESULT))["messages"]
    summary = [{"type": "summary_text", "text": "Rivers", "signature": "sig"}]
    assert sent[1]["content"] == [{"type": "reasoning", "summary": summary}]


def test_answers_with_reasoning_inside_of_the_content_are_translated() -> None:
    for provider in having("reasoning_field", "think_tags"):
        assert translates(row(provider))
    for provider in having("reasoning_field", "content_parts"):
        assert translates(row(provider, effort_levels=["low"]), reasoning_effort="low")
        assert not translates(row(provider))


CONTROLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "effort": ({"reasoning_effort": "high"}, {"reasoning_effort": "none"}),
    "thinking": ({"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}),
    "enable_thinking": ({"enable_thinking": True}, {"enable_thinking": False}),
    "reasoning_object": ({"reasoning": {"effort": "high"}}, {"reasoning": {"enabled": False}}),
    "chat_template_kwargs": (
        {
            "chat_template_kwargs": {
                "enable_thinking": True,
                "thinking": True,
                "reasoning_effort": "high",
            }
        },
        {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
    ),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_reasoning_is_switched_in_the_rows_words(control: str) -> None:
    on, off = CONTROLS[control]
    for provider in having("reasoning_control", control):
        upstream = row(provider, model="none-such")
        sent = body_of(upstream, request(reasoning=Reasoning("high")))
        assert {name: sent[name] for name in on} == on, provider
        levels = CATALOGUE[provider].quirks.get("effort_levels")
        if levels is None:
            sent = body_of(upstream, request(reasoning=Reasoning("none")))
            assert {name: sent[name] for name in off} == off, provider
        if control != "effort":
            assert translates(upstream, reasoning_effort="high")
        assert not translates(upstream)


def test_the_controls_of_one_maker_work_on_any_host() -> None:
    adaptive = row("groq", model="none-such", reasoning_control="adaptive")
    sent = body_of(adaptive, request(reasoning=Reasoning("high")))
    assert sent["thinking"] == {"type": "adaptive"}
    assert sent["output_config"] == {"effort": "high"}
    budget = row("groq", model="none-such", reasoning_control="budget")
    sent = body_of(budget, request(reasoning=Reasoning(budget=3000)))
    assert sent["thinking"] == {"type": "enabled", "budget_tokens": 3000}
    assert body_of(budget, request(reasoning=Reasoning(budget=0)))["thinking"] == {
        "type": "disabled"
    }


@pytest.mark.parametrize(("provider", "model"), models_having("effort_levels"))
def test_an_effort_goes_as_the_nearest_that_the_model_takes(provider: str, model: str) -> None:
    found = next(item for item in CATALOGUE[provider].models if item.id == model)
    levels = found.quirks["effort_levels"]
    assert isinstance(levels, list)
    for effort in ("minimal", "low", "medium", "high", "xhigh", "max"):
        upstream = row(provider, model)
        sent = body_of(upstream, request(reasoning=Reasoning(effort)))
        if "reasoning_effort" in sent:
            assert sent["reasoning_effort"] in levels
        lost = "reasoning_effort" in losses_of(upstream, request(reasoning=Reasoning(effort)))
        assert lost == (effort not in levels)


def test_a_hosts_own_word_for_no_thinking_is_used() -> None:
    assert "instant" in str(CATALOGUE["inception"].quirks["effort_levels"])
    sent = body_of(row("inception"), request(reasoning=Reasoning("none")))
    assert sent["reasoning_effort"] == "instant"


@pytest.mark.parametrize("provider", having("effort_none_value"))
def test_no_effort_has_the_rows_value(provider: str) -> None:
    value = CATALOGUE[provider].quirks["effort_none_value"]
    sent = body_of(row(provider), request(reasoning=Reasoning(enabled=False)))
    assert sent["reasoning_effort"] == value
    assert translates(row(provider), reasoning_effort="none")
    assert not translates(row(provider), reasoning_effort="low")


@pytest.mark.parametrize(("provider", "model"), models_having("effort_none", False))
def test_a_model_that_always_thinks_is_asked_to_think_little(provider: str, model: str) -> None:
    asked = request(reasoning=Reasoning("none"))
    sent = body_of(row(provider, model), asked)
    assert sent.get("reasoning_effort", sent.get("reasoning", {}).get("effort")) == "low"
    assert "reasoning_off" in losses_of(row(provider, model), asked)


@pytest.mark.parametrize(("provider", "model"), models_having("thinking_always_on", True))
def test_reasoning_that_cannot_be_switched_off_is_left_on(provider: str, model: str) -> None:
    asked = request(reasoning=Reasoning("none"))
    sent = body_of(row(provider, model), asked)
    assert not {"reasoning_effort", "thinking", "reasoning"} & set(sent)
    assert losses_of(row(provider, model), asked) == ("reasoning_off",)


@pytest.mark.parametrize("provider", having("effort_rename"))
def test_efforts_are_renamed(provider: str) -> None:
    renamed = CATALOGUE[provider].quirks["effort_rename"]
    assert isinstance(renamed, dict)
    for effort, word in renamed.items():
        sent = body_of(row(provider, model="x"), request(reasoning=Reasoning(effort)))
        assert sent["reasoning"] == {"effort": word}


def test_efforts_are_in_capitals_where_the_row_says_so() -> None:
    case = CATALOGUE["oci"].quirks["effort_case"]
    sent = body_of(row("groq", effort_case=case), request(reasoning=Reasoning("high")))
    assert sent["reasoning_effort"] == "HIGH"


@pytest.mark.parametrize("provider", having("stream_usage"))
def test_usage_is_asked_for_where_it_must_be(provider: str) -> None:
    sent = body_of(row(provider), request(stream=True))
    asks = CATALOGUE[provider].quirks["stream_usage"] == "option"
    assert ("stream_options" in sent) == asks


@pytest.mark.parametrize("provider", having("unknown_fields", "reject"))
def test_strange_fields_are_kept_from_hosts_that_reject_them(provider: str) -> None:
    asked = request(
        dialect="openai", extra={"acme": Raw(b"1"), "prediction": Raw(b'{"type":"content"}')}
    )
    sent = body_of(row(provider), asked)
    assert "acme" not in sent
    assert "prediction" in sent
    assert "unknown_field" in losses_of(row(provider), asked)


def test_strange_fields_go_where_the_row_carries_them() -> None:
    upstream = row("fireworks", extra_fields="extra_body")
    sent = body_of(upstream, request(dialect="openai", extra={"acme": Raw(b"1")}))
    assert sent["extra_body"] == {"acme": 1}


def test_cache_marks_are_written_where_the_row_takes_them() -> None:
    marked = Message("user", (Text("One", cache=CacheMark("1h")), Text("Two", cache=CacheMark())))
    sent = body_of(row("openrouter", cache_breakpoints=1), request(marked))
    parts = sent["messages"][0]["content"]
    assert parts[0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "cache_control" not in parts[1]
    assert losses_of(row("openrouter", cache_breakpoints=1), request(marked)) == ("cache_marks",)


@pytest.mark.parametrize(
    ("quirks", "target"),
    [
        (
            {
                "path": "/openai/deployments/{model}/chat/completions",
                "query": {"api-version": "2024-10-21"},
            },
            "/openai/deployments/gpt%2F5/chat/completions?api-version=2024-10-21",
        ),
        ({"path": {"chat": "/a", "chat_stream": "/b"}}, "/a"),
        ({}, "/openai/v1/chat/completions"),
    ],
)
def test_the_path_and_query_are_the_rows(quirks: dict[str, object], target: str) -> None:
    base = "https://acme.openai.azure.test" + ("" if "path" in quirks else "/openai/v1")
    provider = Provider("a", "A", CATALOGUE["openai"].tier, "openai", base, quirks=quirks)
    upstream = prepare(Deployment("a/gpt/5", provider, Model("gpt/5"), usable=True), Settings())
    assert upstream.encode(request()).request.target == target
    streamed = upstream.encode(request(stream=True)).request.target
    assert streamed == ("/b" if target == "/a" else target)


def test_the_body_does_not_name_the_model_where_the_row_drops_it() -> None:
    upstream = row("groq", drop=["model"])
    assert "model" not in body_of(upstream, request())
    data = b'{"model":"chat","messages":[{"role":"user","content":"Hi"}]}'
    seen = glance(ClientRequest("POST", "/", "", {}, data))
    assert "model" not in json.loads(upstream.forward(seen, data).body)


def test_a_row_without_such_quirks_never_asks_for_translation() -> None:
    plain = row("openai", "gpt-5.4-mini")
    picture = {"type": "image_url", "image_url": {"url": "https://a.test"}}
    assert not translates(
        plain,
        messages=[{"role": "user", "content": [picture], "name": "ann"}],
        tools=[{"type": "custom", "custom": {"name": "t"}}],
        tool_choice="required",
        reasoning_effort="none",
        temperature=2,
    )


@pytest.mark.parametrize(
    ("provider", "usage", "expected"),
    [
        ("deepseek", {"prompt_cache_hit_tokens": 4}, {"cached": 4}),
        (
            "xai",
            {"completion_tokens_details": {"reasoning_tokens": 2}},
            {"output": 5, "reasoning": 2},
        ),
        ("openrouter", {"cost": 0.25}, {"reported_nano": 250_000_000}),
    ],
)
def test_usage_is_counted_after_the_row(
    provider: str, usage: dict[str, Any], expected: dict[str, int]
) -> None:
    quirks = CATALOGUE[provider].quirks
    assert {"usage_cached_field", "usage_excludes_reasoning", "cost_field"} & set(quirks)
    counts = {"prompt_tokens": 9, "completion_tokens": 3, **usage}
    body = {"choices": [{"message": {"content": "Hi"}}], "usage": counts}
    found = row(provider).decode(json.dumps(body).encode()).usage
    assert found is not None
    assert {name: getattr(found, name) for name in expected} == expected


def test_every_row_of_this_language_can_be_prepared_and_asked() -> None:
    asked = request(*TURN, tools=(WEATHER,), max_output=5, stream=True)
    for provider in CATALOGUE.values():
        if provider.dialect != "openai":
            continue
        for model in provider.models[:3]:
            sent = body_of(row(provider.id, model.id), asked)
            assert sent["messages"], provider.id
