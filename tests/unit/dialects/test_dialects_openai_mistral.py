"""What a Mistral row sends is what Mistral's own client would: validated with its types, and
walked so that no key was ignored on the way.

Source: mistralai 3.7, models.ChatCompletionRequest and models.ChatCompletionStreamRequest.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from mistralai.client.models import (
    ChatCompletionRequest,
    ChatCompletionResponse,
    ChatCompletionStreamRequest,
    CompletionChunk,
)
from pydantic import BaseModel, ValidationError
from quirk_battery import requests

from federation.catalogue.reader import load
from federation.dialects.carriage import fit, maker_of
from federation.dialects.faces import Upstream
from federation.dialects.openai.upstream import prepare
from federation.domain.catalogue import Deployment
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import ChatRequest
from federation.schema.chunks import Collector

ROW, CODESTRAL = load()["mistral"], load()["codestral"]
MODELS = {
    model.id: model for model in (*ROW.models, *CODESTRAL.models) if "chat" in model.operations
}
CALLS = dict(requests())
FREE = frozenset(("parameters", "schema", "schema_definition", "metadata", "arguments"))
"""Members whose contents are the caller's."""
REFUSED = frozenset(("custom",))
"""Calls that the row cannot take."""
WRITTEN = {"schema": "schema_definition"}


def upstream(model: str) -> Upstream:
    row = CODESTRAL if MODELS[model] in CODESTRAL.models else ROW
    deployment = Deployment(f"{row.id}/{model}", row, MODELS[model], usable=True)
    return prepare(deployment, Settings(), headers=(), query="", secret="k", private=False)


def walk(sent: Any, kept: Any, where: str) -> None:
    """Every key that was sent is one that the types know."""
    if isinstance(sent, dict):
        assert isinstance(kept, dict), where
        for name, value in sent.items():
            known = name if name in kept else WRITTEN.get(name, name)
            assert known in kept, f"{where}.{name} is no field of the types"
            if name not in FREE:
                walk(value, kept[known], f"{where}.{name}")
    elif isinstance(sent, list):
        assert isinstance(kept, list), where
        assert len(sent) == len(kept), where
        for place, value in enumerate(sent):
            walk(value, kept[place], f"{where}[{place}]")


def check(body: Any) -> None:
    kind: type[BaseModel] = (
        ChatCompletionStreamRequest if body.get("stream") else ChatCompletionRequest
    )
    read = kind.model_validate(body)
    walk(body, read.model_dump(mode="json", exclude_unset=True, by_alias=True), "body")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_sent_is_what_the_types_know(model: str, name: str) -> None:
    request: ChatRequest = CALLS[name]
    mine, _ = fit(request, maker_of("openai", ROW.id))
    if name in REFUSED:
        with pytest.raises(InvalidRequest):
            upstream(model).encode(mine)
    else:
        check(json.loads(upstream(model).encode(mine).request.body))


def test_the_types_would_have_caught_it() -> None:
    good = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    check(good)
    with pytest.raises(AssertionError, match=r"body.seed is no field"):
        check(good | {"seed": 1})
    with pytest.raises(AssertionError, match=r"name is no field"):
        check(good | {"messages": [{"role": "user", "content": "a", "name": "ann"}]})
    with pytest.raises(ValidationError):
        check(good | {"messages": [{"role": "developer", "content": "a"}]})
    with pytest.raises(ValidationError):
        check(good | {"tool_choice": 5})


def test_an_answer_that_its_types_wrote_is_read() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    body = {
        "id": "cmpl-1",
        "object": "chat.completion",
        "model": "mistral-large-4",
        "created": 1,
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": [thought, {"type": "text", "text": "Here."}],
                },
            }
        ],
    }
    written = ChatCompletionResponse.model_validate(body).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    row = upstream(next(iter(MODELS)))
    whole = row.decode(json.dumps(written).encode())
    piece = dict(body, object="chat.completion.chunk")
    choice = dict(body["choices"][0])  # type: ignore[index]
    piece["choices"] = [choice | {"delta": choice.pop("message")}]
    event = CompletionChunk.model_validate(piece).model_dump_json(by_alias=True, exclude_unset=True)
    decoder, collector = row.decoder(), Collector("openai")
    collector.add(decoder.feed(f"data: {event}\n\ndata: [DONE]\n\n".encode()))
    collector.add(decoder.close())
    for response in (whole, collector.response()):
        (found,) = response.choices
        assert [getattr(part, "text", "") for part in found.parts] == ["Hm.", "Here."]
        assert response.usage is not None
        assert (response.usage.input, response.usage.output) == (3, 2)
