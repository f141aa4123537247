"""Which way a credential takes to its token: read off its form and the row's words."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

import pytest

from federation.credentials.grants import token_spec
from federation.credentials.plans import ByToken
from federation.credentials.signers import plan
from federation.domain.catalogue import Provider
from federation.errors import ConfigError
from federation.schema.http import Origin, WireRequest

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MakeRow = Callable[..., Provider]


def asked(row: Provider, secret: str | dict[str, Any], at: datetime = AT) -> WireRequest:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    spec = token_spec(row, text)
    assert spec.base is None
    return spec.request(at, "")


def form(request: WireRequest) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


def basic(request: WireRequest) -> str:
    scheme, _, pair = dict(request.headers)[b"authorization"].partition(b" ")
    assert scheme == b"Basic"
    return b64decode(pair).decode()


PAIR = {"client_id": "s6BhdRkqt3", "client_secret": "7Fjfp0ZBr1KtDRbnfVdmIw"}


def test_client_credentials_as_in_rfc_6749(make_row: MakeRow) -> None:
    request = asked(make_row(token_url="https://server.example.com/token"), PAIR)
    assert request.method == "POST"
    assert request.origin == Origin("https", "server.example.com", 443)
    assert request.target == "/token"
    headers = dict(request.headers)
    # The example of section 2.3.1.
    assert headers[b"authorization"] == (b"Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3")
    assert request.body == b"grant_type=client_credentials"


def test_a_pair_that_encoding_would_change_goes_in_the_body(make_row: MakeRow) -> None:
    pair = {"clientid": "sb-1!b2|aicore!b3", "clientsecret": "a$b=c+d e", "url": "https://u.test"}
    request = asked(make_row(), pair)
    assert request.target == "/oauth/token"
    assert b"authorization" not in dict(request.headers)
    assert form(request) == {
        "grant_type": "client_credentials",
        "client_id": "sb-1!b2|aicore!b3",
        "client_secret": "a$b=c+d e",
    }


def test_a_credential_may_say_how_the_pair_is_shown(make_row: MakeRow) -> None:
    row = make_row(token_url="https://t.test/t")
    secret = {"client_id": "a:b", "client_secret": "c%d"}
    request = asked(row, {**secret, "token_endpoint_auth_method": "client_secret_basic"})
    assert [unquote_plus(part) for part in basic(request).split(":")] == ["a:b", "c%d"]
    assert "client_id" not in form(request)
    request = asked(row, {**PAIR, "token_endpoint_auth_method": "client_secret_post"})
    assert form(request)["client_secret"] == PAIR["client_secret"]
    with pytest.raises(ConfigError, match="token_endpoint_auth_method"):
        asked(row, {**PAIR, "token_endpoint_auth_method": "private_key_jwt"})


def test_scope_audience_and_resource_come_from_the_credential_or_the_row(
    make_row: MakeRow,
) -> None:
    row = make_row(token_url="https://t.test/t", auth_scope="all-apis")
    assert form(asked(row, PAIR))["scope"] == "all-apis"
    own = form(asked(row, {**PAIR, "scope": "mine", "audience": "aud", "resource": "res"}))
    assert (own["scope"], own["audience"], own["resource"]) == ("mine", "aud", "res")


def test_a_pair_in_one_text_is_client_credentials_too(make_row: MakeRow) -> None:
    assert basic(asked(make_row(token_url="https://t.test/t"), "id:pass")) == "id:pass"


def test_a_token_path_lies_on_the_providers_own_host(make_row: MakeRow) -> None:
    row = make_row(
        "bearer", base_url="https://dbc-1.cloud.test/serving", token_path="/oidc/v1/token"
    )
    found = plan(row, json.dumps(PAIR))
    assert isinstance(found, ByToken)
    request = found.spec.request(AT, "")
    assert (request.origin.host, request.target) == ("dbc-1.cloud.test", "/oidc/v1/token")
    assert found.apply("tok") == ((b"authorization", b"Bearer tok"),)


# Entra: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow

ENTRA = {
    "token_url": "https://login.microsoftonline.com/{tenant_id}/oauth2/v2.0/token",
    "auth_scope": "https://cognitiveservices.azure.com/.default",
}


def test_entra_with_a_client_secret(make_row: MakeRow) -> None:
    secret = {
        "AZURE_TENANT_ID": "tenant-1",
        "AZURE_CLIENT_ID": "client-1",
        "AZURE_CLIENT_SECRET": "sampleCredentials/1+",
    }
    request = asked(make_row("header", **ENTRA), secret)
    assert request.target == "/tenant-1/oauth2/v2.0/token"
    assert form(request) == {
        "grant_type": "client_credentials",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_id": "client-1",
        "client_secret": "sampleCredentials/1+",
    }


def test_entra_with_a_workloads_federated_token(make_row: MakeRow) -> None:
    secret = {
        "AZURE_TENANT_ID": "tenant-1",
        "AZURE_CLIENT_ID": "client-1",
        "AZURE_FEDERATED_TOKEN_FILE": "ey.a.b\n",
    }
    assert form(asked(make_row("header", **ENTRA), secret)) == {
        "grant_type": "client_credentials",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_id": "client-1",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "ey.a.b",
    }


def test_a_directory_cannot_lead_out_of_its_place(make_row: MakeRow) -> None:
    secret = {**PAIR, "tenant_id": "../evil?x="}
    assert asked(make_row(**ENTRA), secret).target == "/..%2Fevil%3Fx%3D/oauth2/v2.0/token"
    with pytest.raises(ConfigError, match="tenant's id"):
        asked(make_row(**ENTRA), PAIR)


# Plain keys


def test_an_api_key_is_exchanged_by_the_grant_that_the_row_names(make_row: MakeRow) -> None:
    """https://cloud.ibm.com/docs/account?topic=account-iamtoken_from_apikey"""
    row = make_row(
        token_url="https://iam.cloud.ibm.com/identity/token",
        token_grant="urn:ibm:params:oauth:grant-type:apikey",
    )
    request = asked(row, "key-1")
    assert form(request) == {
        "grant_type": "urn:ibm:params:oauth:grant-type:apikey",
        "apikey": "key-1",
    }
    assert dict(request.headers)[b"accept"] == b"application/json"
    with pytest.raises(ConfigError, match="'urn:other'"):
        asked(make_row(token_url="https://t.test", token_grant="urn:other"), "key-1")


def test_an_authorization_key_goes_as_it_is_with_an_id_for_each_request(make_row: MakeRow) -> None:
    """https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-token"""
    row = make_row(token_url="https://ngw.test:9443/api/v2/oauth", token_lifetime_s=1800)
    secret = {"secret": "aWQ6c2VjcmV0", "scope": "GIGACHAT_API_PERS"}
    request = asked(row, secret)
    headers = dict(request.headers)
    assert headers[b"authorization"] == b"Basic aWQ6c2VjcmV0"
    assert form(request) == {"scope": "GIGACHAT_API_PERS"}
    assert UUID(headers[b"rquid"].decode()).version == 4
    later = dict(asked(row, secret, AT + timedelta(microseconds=1)).headers)
    assert later[b"rquid"] != headers[b"rquid"]
    assert token_spec(row, "aWQ6").read(200, b'{"access_token": "t"}', AT).expires_at == (
        AT.timestamp() + 1800
    )


def test_a_secret_with_a_line_break_is_refused_and_not_repeated(make_row: MakeRow) -> None:
    with pytest.raises(ConfigError) as caught:
        asked(make_row(token_url="https://t.test"), "very-secret\r\nx")
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("ya29.access-token", "key file or client credentials"),
        ('{"client_id": "very-secret"}', "where the token is fetched"),
        ('{"client_id": "very-secret", "url": "https://u.test"}', "neither a client_secret"),
        ('{"client_secret": "very-secret"}', "client's id"),
        ('{"unknown": "very-secret"}', "neither a key file"),
        ('{"type": "very-secret"}', "service_account, authorized_user"),
        ('{"type": 5, "client_email": "very-secret"}', "neither a key file"),
        ('{"client_id": "a", "client_secret": "very-secret", "url": "http://u.test"}', "https"),
    ],
)
def test_what_leads_to_no_token_is_refused_with_what_is_missing(
    make_row: MakeRow, secret: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        token_spec(make_row(), secret)
    assert "very-secret" not in str(caught.value)


def test_what_decides_which_token_comes_decides_its_key(make_row: MakeRow) -> None:
    row = make_row(token_url="https://t.test/t")
    specs = [
        token_spec(row, json.dumps(PAIR)),
        token_spec(row, json.dumps({**PAIR, "client_secret": "other"})),
        token_spec(row, json.dumps({**PAIR, "scope": "s"})),
        token_spec(make_row(token_url="https://u.test/t"), json.dumps(PAIR)),
        token_spec(row, "key"),
    ]
    assert len({spec.key for spec in specs}) == len(specs)
    assert token_spec(row, json.dumps(PAIR)).key == specs[0].key
    assert PAIR["client_secret"] not in "".join(map(repr, specs))
