"""What else a request to Converse says or cannot say, rows' quirks, and calls of the same dialect.

Every body is judged by the official client's model, validator and serializer.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from bedrock_vendor import check_request
from bedrock_world import MODEL, WEATHER, ask, sent, upstream, user
from msgspec import Raw

from federation.dialects.bedrock.client import CLIENT
from federation.dialects.bedrock.upstream import prepare
from federation.domain.catalogue import Deployment, Model, Provider, Tier
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import (
    Message,
    OutputFormat,
    Sampling,
)
from federation.schema.http import ClientRequest
from federation.schema.parts import (
    Citation,
    Foreign,
    Media,
    Text,
)


def test_what_converse_has_no_field_for_is_reported_once() -> None:
    _, losses = sent(
        ask(
            Message("user", (Text("Hello"),), name="Ann"),
            Message(
                "assistant",
                (Text("Cited", (Citation(title="t"),)), Foreign("cohere", Raw(b"{}"))),
            ),
            user(Text("And?"), Media("image", "image/png", "aGk=", detail="high")),
            tools=(WEATHER,),
            parallel_tools=False,
            sampling=Sampling(
                temperature=1.5, top_k=3, min_p=0.1, frequency_penalty=1.0, presence_penalty=1.0,
                seed=1, stop=(" ",), logit_bias=Raw(b"{}"), logprobs=True, choices=1,
            ),
            verbosity="low",
            user="u1",
            store=True,
            cache_key="k",
            metadata={"a": "ü"},
            service_tier="scale",
            extra={"x": Raw(b"1"), "y": Raw(b"2")},
        )
    )  # fmt: skip
    assert set(losses) == {
        "message_name", "citations", "foreign_part", "image_detail", "parallel_tools",
        "temperature", "top_k", "min_p", "frequency_penalty", "presence_penalty", "seed", "stop",
        "logit_bias", "logprobs", "verbosity", "user", "store", "cache_key", "metadata",
        "service_tier", "unknown_field",
    }  # fmt: skip
    assert len(losses) == len(set(losses))


@pytest.mark.parametrize(
    "fields",
    [
        {"sampling": Sampling(choices=2)},
        {"modalities": ("text", "audio")},
        {"audio": Raw(b'{"voice":"x"}')},
    ],
)
def test_what_would_change_the_meaning_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot take"):
        upstream().encode(ask(**fields))


def test_neutral_values_are_no_loss() -> None:
    body, losses = sent(
        ask(
            sampling=Sampling(choices=1, logprobs=False),
            verbosity="medium",
            store=False,
            service_tier="auto",
            format=OutputFormat("text"),
        )
    )
    assert body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    assert losses == ()


def test_metadata_and_tiers_have_a_place() -> None:
    body, losses = sent(ask(metadata={"team": "a-b"}, service_tier="priority"))
    assert body["requestMetadata"] == {"team": "a-b"}
    assert body["serviceTier"] == {"type": "priority"}
    assert losses == ()


def test_a_rows_quirks_shape_the_body() -> None:
    body, losses = sent(
        ask(sampling=Sampling(temperature=0.5, top_p=0.5, top_k=7), max_output=9),
        quirks={
            "sampling": "drop",
            "default": {"performanceConfig": {"latency": "standard"}, "stopSequences": ["X"]},
            "set": {"maxTokens": 5},
        },
    )
    assert body["inferenceConfig"] == {"maxTokens": 5, "stopSequences": ["X"]}
    assert body["performanceConfig"] == {"latency": "standard"}
    assert losses == ("temperature", "top_p", "top_k")


@pytest.mark.parametrize(
    ("way", "extra"),
    [("top_k", {"top_k": 7}), ("inferenceConfig.topK", {"inferenceConfig": {"topK": 7}})],
)
def test_top_k_stands_where_the_row_says(way: str, extra: dict[str, Any]) -> None:
    body, losses = sent(ask(sampling=Sampling(top_k=7)), quirks={"extra_fields": {"top_k": way}})
    assert body["additionalModelRequestFields"] == extra
    assert losses == ()


def test_the_operators_defaults_stand_in_for_what_nobody_said() -> None:
    body, _ = sent(ask(), max_tokens_default=77, temperature_default=0.1)
    assert body["inferenceConfig"] == {"maxTokens": 77, "temperature": 0.1}
    body, _ = sent(ask(max_output=5), max_tokens_default=77)
    assert body["inferenceConfig"] == {"maxTokens": 5}


@pytest.mark.parametrize("address", ["ftp://x", "https://{region}.test", "https://u@x.test", "//x"])
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    provider = Provider("acme", "Acme", Tier.CLOUD, "bedrock", address)
    with pytest.raises(ValueError, match="base address"):
        prepare(Deployment("a/m", provider, Model("m"), usable=True), Settings())


def test_no_repr_shows_a_secret() -> None:
    provider = Provider("a", "A", Tier.CLOUD, "bedrock", "https://x.test")
    made = prepare(
        Deployment("a/m", provider, Model("m"), usable=True),
        Settings(),
        headers=((b"authorization", b"Bearer very-secret"),),
        secret="very-secret",
    )  # fmt: skip
    assert "very-secret" not in repr(made) + repr(made.wire)


def test_a_clients_own_call_survives_being_read_and_written() -> None:
    body = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "Hi"},
                    {"cachePoint": {"type": "default", "ttl": "1h"}},
                    {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
                    {
                        "document": {
                            "format": "pdf",
                            "name": "a b",
                            "source": {"bytes": "aGk="},
                            "context": "why",
                            "citations": {"enabled": True},
                        }
                    },
                    {
                        "document": {
                            "name": "c",
                            "format": "txt",
                            "source": {"content": [{"text": "x"}, {"text": "y"}]},
                        }
                    },
                    {"audio": {"format": "mpga", "source": {"bytes": "aGk="}}},
                    {
                        "video": {
                            "format": "mp4",
                            "source": {"s3Location": {"uri": "s3://bucket/v"}},
                        }
                    },
                    {
                        "searchResult": {
                            "source": "s",
                            "title": "t",
                            "content": [{"text": "x"}],
                        }
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "h", "signature": "c2ln"}}},
                    {"reasoningContent": {"redactedContent": "aGk="}},
                    {
                        "citationsContent": {
                            "content": [{"text": "cited"}],
                            "citations": [
                                {
                                    "title": "t",
                                    "sourceContent": [{"text": "q"}],
                                    "location": {
                                        "documentPage": {"documentIndex": 0, "start": 1, "end": 2}
                                    },
                                }
                            ],
                        }
                    },
                    {
                        "toolUse": {
                            "toolUseId": "s1",
                            "name": "nova_grounding",
                            "input": {},
                            "type": "server_tool_use",
                        }
                    },
                    {"toolResult": {"toolUseId": "s1", "content": [{"text": "found"}]}},
                    {"toolUse": {"toolUseId": "t1", "name": "w", "input": {"a": 1}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "toolResult": {
                            "toolUseId": "t1",
                            "content": [{"json": {"x": 1}}, {"text": "y"}],
                            "status": "error",
                        }
                    },
                    {"text": "go on"},
                ],
            },
        ],
        "system": [{"text": "sys"}, {"cachePoint": {"type": "default"}}],
        "inferenceConfig": {"maxTokens": 9000, "topP": 0.5, "stopSequences": ["x"]},
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "w", "inputSchema": {"json": {"type": "object"}}}},
                {"cachePoint": {"type": "default"}},
                {"systemTool": {"name": "nova_grounding"}},
            ],
            "toolChoice": {"auto": {}},
        },
        "additionalModelRequestFields": {
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "anthropic_beta": ["x"],
        },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "requestMetadata": {"a": "b"},
        "serviceTier": {"type": "flex"},
        "performanceConfig": {"latency": "optimized"},
        "promptVariables": {"v": {"text": "x"}},
        "outputConfig": {
            "textFormat": {
                "type": "json_schema",
                "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
            },
            "effort": "high",
        },
        "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
    }
    del body["inferenceConfig"]["topP"]  # type: ignore[attr-defined]
    request = ClientRequest("POST", f"/model/{MODEL}/converse", "", {}, msgspec.json.encode(body))
    parsed = CLIENT.parse(request, CLIENT.glance(request))
    encoded = upstream().encode(parsed)
    written = check_request(encoded.request.target, encoded.request.body, model=MODEL)
    assert written == body
    assert encoded.losses == ()
