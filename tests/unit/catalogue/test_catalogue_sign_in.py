"""Rows whose credential is exchanged or has parts: each says enough for its signer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest

from federation.catalogue import reader
from federation.credentials.plans import ByToken, PerRequest, Signature
from federation.credentials.signers import plan
from federation.domain.catalogue import Provider
from federation.schema.http import Origin, WireRequest

AT = datetime(2026, 11, 21, tzinfo=UTC)
ROWS = reader.load()
AZURE = {
    "AZURE_TENANT_ID": "tenant-1",
    "AZURE_CLIENT_ID": "client-1",
    "AZURE_CLIENT_SECRET": "a-secret-1",
}


def asked(row: Provider, credential: dict[str, str] | str) -> tuple[WireRequest, dict[str, Any]]:
    """The token request that a row makes of a credential, and its form."""
    text = credential if isinstance(credential, str) else json.dumps(credential)
    made = plan(row, text)
    assert isinstance(made, ByToken)
    request = made.spec.request(AT, "")
    return request, {name: value[0] for name, value in parse_qs(request.body.decode()).items()}


@pytest.mark.parametrize(
    ("provider", "scope"),
    [
        ("azure_openai", "https://cognitiveservices.azure.com/.default"),
        ("azure_foundry", "https://ai.azure.com/.default"),
        ("azure_foundry_anthropic", "https://ai.azure.com/.default"),
    ],
)
def test_a_directory_s_client_gets_a_token_for_its_tenant(provider: str, scope: str) -> None:
    row = ROWS[provider]
    request, form = asked(row, AZURE)
    assert request.origin == Origin("https", "login.microsoftonline.com", 443)
    assert request.target == "/tenant-1/oauth2/v2.0/token"
    assert (form["grant_type"], form["scope"]) == ("client_credentials", scope)
    federated = {**AZURE, "AZURE_FEDERATED_TOKEN_FILE": "ey.a.b"}
    del federated["AZURE_CLIENT_SECRET"]
    assert asked(row, federated)[1]["client_assertion"] == "ey.a.b"
    assert set(federated) | set(AZURE) == set(row.quirks["auth_parts"])  # type: ignore[call-overload]


@pytest.mark.parametrize("provider", ["azure_openai", "azure_foundry", "azure_foundry_anthropic"])
def test_a_key_comes_before_the_directory_and_is_sent_as_it_is(provider: str) -> None:
    row = ROWS[provider]
    assert row.env[-1] == "AZURE_CLIENT_ID"
    assert plan(row, "k-1") == Signature(headers=((b"api-key", b"k-1"),))


def test_a_workspace_s_service_principal_gets_a_token_from_the_workspace() -> None:
    row = replace(ROWS["databricks"], base_url="https://dbc-1.test/serving-endpoints")
    assert row.env == ("DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID")
    pair = {"DATABRICKS_CLIENT_ID": "sp-1", "DATABRICKS_CLIENT_SECRET": "dose-1"}
    request, form = asked(row, pair)
    assert (request.origin.host, request.target) == ("dbc-1.test", "/oidc/v1/token")
    assert form == {"grant_type": "client_credentials", "scope": "all-apis"}
    assert set(pair) == set(row.quirks["auth_parts"])  # type: ignore[call-overload]


@pytest.mark.parametrize("provider", ["vertex", "vertex_anthropic", "vertex_openai"])
def test_a_refreshable_key_file_is_exchanged_where_the_row_says(provider: str) -> None:
    key_file = {
        "type": "authorized_user",
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "r",
    }
    request, _ = asked(ROWS[provider], key_file)
    assert (request.origin.host, request.target) == ("oauth2.googleapis.com", "/token")


def test_an_authorization_key_without_a_scope_gets_the_personal_one() -> None:
    row = ROWS["gigachat"]
    assert asked(row, "aWQ6c2VjcmV0")[1] == {"scope": "GIGACHAT_API_PERS"}
    own = {"secret": "aWQ6c2VjcmV0", "scope": "GIGACHAT_API_CORP"}
    assert asked(row, own)[1] == {"scope": "GIGACHAT_API_CORP"}


def test_temporary_keys_are_signed_with_their_token() -> None:
    row = replace(
        ROWS["claude_on_aws"], base_url="https://aws-external-anthropic.eu-west-1.api.aws/v1"
    )
    parts = dict.fromkeys(row.quirks["auth_parts"], "AKIDEXAMPLE")  # type: ignore[call-overload]
    made = plan(row, json.dumps({**parts, "AWS_SESSION_TOKEN": "session-1"}))
    assert isinstance(made, PerRequest)
    request = WireRequest("POST", Origin("https", "h.test", 443), "/v1/messages", (), b"{}")
    assert dict(made.sign(request, AT).headers)[b"x-amz-security-token"] == b"session-1"


@pytest.mark.parametrize("provider", ["bedrock", "bedrock_global"])
def test_a_bearer_key_comes_before_a_pair(provider: str) -> None:
    row = ROWS[provider]
    assert row.env == ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID")
    made = plan(row, "bedrock-api-key-1")
    assert made == Signature(headers=((b"authorization", b"Bearer bedrock-api-key-1"),))


def test_every_variable_that_a_key_may_be_in_is_a_part_where_parts_are_gathered() -> None:
    row = ROWS["oci"]
    assert set(row.env) <= set(row.quirks["auth_parts"])  # type: ignore[call-overload]
