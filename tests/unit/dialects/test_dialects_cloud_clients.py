"""Clouds that have a client of their own: a row's call goes where the vendor's client sends it.

The rows come from the catalogue and are filled from the environment, as `federation up` does
it; the official clients talk to a transport that keeps what they would have sent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anthropic
import google.auth.credentials
import httpx
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from federation.catalogue import reader
from federation.config.load import load
from federation.dialects.anthropic.client import CLIENT
from federation.dialects.anthropic.upstream import prepare
from federation.dialects.table import UPSTREAMS
from federation.domain.catalogue import Deployment, Model, Provider
from federation.domain.routes import Settings
from federation.schema.chat import ChatRequest, Message
from federation.schema.http import ClientRequest, WireRequest
from federation.schema.parts import Text

PLACES = ("europe-west1", "global", "us", "eu")
VERSIONED = ("anthropic_version",)
"""The client says its own version; a row says the one in the vendor's guide."""
Sent = httpx.Request | httpx2.Request


@pytest.fixture
def sent() -> list[Sent]:
    return []


def keep(sent: list[Sent]) -> Any:
    """A transport for the newer client library, whose answers no client needs to understand."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"input_tokens": 1, "content": [], "choices": []})

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def row_of(provider: str, folder: Path, **variables: str) -> Provider:
    """The catalogue's row, filled from these variables."""
    return load(folder, variables, reader.load(), None).providers[provider]


def ours(row: Provider, model: str, *, stream: bool = False) -> WireRequest:
    upstream = UPSTREAMS[row.dialect](
        Deployment(f"{row.id}/{model}", row, Model(model), usable=True),
        Settings(),
        headers=(),
        query="",
        secret="",
        private=False,
    )
    asked = ChatRequest(
        "openai_responses",
        "any",
        (Message("user", (Text("Hi"),)),),
        stream=stream,
        max_output=9,
    )
    return upstream.encode(asked).request


def where(request: Sent) -> str:
    return str(request.url)


def address(request: WireRequest) -> str:
    origin = request.origin
    assert origin.port == 443
    return f"{origin.scheme}://{origin.host}{request.target}"


def body(content: bytes, *, but: tuple[str, ...] = VERSIONED) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    return {name: value for name, value in found.items() if name not in but}


def names(request: WireRequest) -> set[str]:
    return {name.decode() for name, _ in request.headers}


def ask_claude(client: Any, model: str) -> None:
    asked: Any = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    client.messages.create(**asked, max_tokens=9)
    client.messages.create(**asked, max_tokens=9, stream=True).close()
    client.messages.count_tokens(**asked)


def count(row: Provider, model: str) -> WireRequest:
    upstream = prepare(Deployment(f"{row.id}/{model}", row, Model(model), usable=True), Settings())
    data = b'{"model":"any","messages":[{"role":"user","content":"Hi"}]}'
    request = ClientRequest("POST", "/v1/messages/count_tokens", "", {}, data)
    return upstream.encode_count(CLIENT.parse(request, CLIENT.glance(request))).request


def check_claude(row: Provider, model: str, sent: list[Sent]) -> None:
    """An answer, a stream and a count of ours are the client's."""
    made = (ours(row, model), ours(row, model, stream=True), count(row, model))
    assert [address(request) for request in made] == [where(request) for request in sent]
    for mine, theirs in zip(made, sent, strict=True):
        written = {"content": [{"type": "text", "text": "Hi"}], "role": "user"}
        their_body = body(theirs.read())
        my_body = body(mine.body)
        assert my_body.pop("messages") in ([written], their_body["messages"])
        del their_body["messages"]
        assert my_body == their_body
    assert ("anthropic_version" in json.loads(made[0].body)) == (
        "anthropic_version" in json.loads(sent[0].read())
    )


@pytest.mark.parametrize("place", PLACES)
def test_claude_at_google_is_called_as_by_its_client(
    place: str, sent: list[Sent], tmp_path: Path
) -> None:
    row = row_of(
        "vertex_anthropic",
        tmp_path,
        GOOGLE_APPLICATION_CREDENTIALS="/run/key.json",
        GOOGLE_VERTEX_PROJECT="acme-1",
        GOOGLE_VERTEX_LOCATION=place,
    )
    with anthropic.AnthropicVertex(
        region=place, project_id="acme-1", access_token="t", http_client=keep(sent)
    ) as client:
        ask_claude(client, "claude-sonnet-5-5")
    check_claude(row, "claude-sonnet-5-5", sent)
    assert sent[0].headers[row.auth.name] == f"{row.auth.prefix}t"


def test_claude_at_azure_is_called_as_by_its_client(sent: list[Sent], tmp_path: Path) -> None:
    row = row_of(
        "azure_foundry_anthropic", tmp_path, AZURE_AI_API_KEY="k", AZURE_RESOURCE_NAME="acme"
    )
    with anthropic.AnthropicFoundry(resource="acme", api_key="k", http_client=keep(sent)) as client:
        ask_claude(client, "claude-sonnet-5-5")
    check_claude(row, "claude-sonnet-5-5", sent)
    assert sent[0].headers[row.auth.name] == f"{row.auth.prefix}k"
    assert "anthropic-version" in sent[0].headers
    assert "anthropic-version" in names(ours(row, "claude-sonnet-5-5"))


def test_claude_at_aws_is_called_as_by_its_client(sent: list[Sent], tmp_path: Path) -> None:
    row = row_of(
        "claude_on_aws",
        tmp_path,
        AWS_ACCESS_KEY_ID="a",
        AWS_SECRET_ACCESS_KEY="s",
        AWS_REGION="eu-west-1",
        ANTHROPIC_AWS_WORKSPACE_ID="w",
    )
    with anthropic.AnthropicAWS(
        aws_region="eu-west-1",
        aws_access_key="a",
        aws_secret_key="s",
        workspace_id="w",
        http_client=keep(sent),
    ) as client:
        ask_claude(client, "claude-sonnet-5-5")
    check_claude(row, "claude-sonnet-5-5", sent)
    made = dict(ours(row, "claude-sonnet-5-5").headers)
    assert sent[0].headers["anthropic-workspace-id"] == "w"
    assert made[b"anthropic-workspace-id"] == b"w"
    scope = sent[0].headers["authorization"].split("/")[2:4]
    assert scope == ["eu-west-1", row.quirks["auth_service"]]


class Token(google.auth.credentials.Credentials):
    """A token that is there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = "t"

    def refresh(self, request: Any) -> None:
        raise AssertionError(request)


@pytest.mark.parametrize("place", PLACES)
def test_gemini_at_google_cloud_is_called_as_by_its_client(
    place: str, sent: list[Sent], tmp_path: Path
) -> None:
    row = row_of(
        "vertex",
        tmp_path,
        GOOGLE_APPLICATION_CREDENTIALS="/run/key.json",
        GOOGLE_VERTEX_PROJECT="acme-1",
        GOOGLE_VERTEX_LOCATION=place,
    )

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"candidates": []})

    options = types.HttpOptions(
        api_version="v1", httpx_client=httpx.Client(transport=httpx.MockTransport(answer))
    )
    settings = types.GenerateContentConfig(max_output_tokens=9)
    with genai.Client(
        vertexai=True,
        project="acme-1",
        location=place,
        credentials=Token(),
        http_options=options,
    ) as client:
        model = client.models
        model.generate_content(model="gemini-4-argon", contents="Hi", config=settings)
        list(model.generate_content_stream(model="gemini-4-argon", contents="Hi", config=settings))
    made = [ours(row, "gemini-4-argon"), ours(row, "gemini-4-argon", stream=True)]
    assert [address(request) for request in made] == [where(request) for request in sent]
    for mine, theirs in zip(made, sent, strict=True):
        assert body(mine.body) == body(theirs.read())
    assert sent[0].headers[row.auth.name] == f"{row.auth.prefix}t"


def ask_gpt(client: openai.OpenAI, row: Provider, sent: list[Sent]) -> None:
    """An answer and a stream of ours are the client's."""
    asked: Any = {
        "model": "gpt-6",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 9,
    }
    options: Any = {"include_usage": True}
    client.chat.completions.create(**asked)
    client.chat.completions.create(**asked, stream=True, stream_options=options).close()
    made = [ours(row, "gpt-6"), ours(row, "gpt-6", stream=True)]
    assert [address(request) for request in made] == [where(request) for request in sent]
    for mine, theirs in zip(made, sent, strict=True):
        assert body(mine.body) == body(theirs.read())


def test_openai_at_azure_is_called_as_by_the_client_of_its_v1_address(
    sent: list[Sent], tmp_path: Path
) -> None:
    row = row_of("azure_openai", tmp_path, AZURE_OPENAI_API_KEY="k", AZURE_RESOURCE_NAME="acme")
    with openai.OpenAI(
        base_url="https://acme.openai.azure.com/openai/v1",
        api_key="k",
        http_client=keep(sent),
    ) as client:
        ask_gpt(client, row, sent)


def test_openai_at_azure_is_called_as_by_the_client_of_its_older_address(
    sent: list[Sent], tmp_path: Path
) -> None:
    (tmp_path / "providers.yaml").write_text(OLDER)
    row = row_of("older", tmp_path, AZURE_KEY="k")
    with openai.AzureOpenAI(
        azure_endpoint="https://acme.openai.azure.com",
        api_version="2024-10-21",
        api_key="k",
        http_client=keep(sent),
    ) as client:
        ask_gpt(client, row, sent)
    assert sent[0].headers[row.auth.name] == f"{row.auth.prefix}k"


OLDER = """
providers:
  - id: older
    extends: azure_openai
    base_url: https://acme.openai.azure.com
    credential: env:AZURE_KEY
    quirks:
      path: /openai/deployments/{model}/chat/completions
      query: {api-version: "2024-10-21"}
"""
"""A row for an account that has no v1 address."""
