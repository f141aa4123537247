"""Signers: what a request carries, and what never shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from federation.credentials.plans import ByToken, PerRequest, Signature
from federation.credentials.signers import SIGNERS, plan
from federation.domain.catalogue import Auth, Provider
from federation.errors import ConfigError
from federation.schema.http import Origin, WireRequest

SECRET = "sk-very-secret-0123456789"
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MakeRow = Callable[..., Provider]


def headers_of(signed: object) -> tuple[tuple[bytes, bytes], ...]:
    assert isinstance(signed, Signature)
    return signed.headers


def test_a_bearer_secret_becomes_the_authorization_header(make_row: MakeRow) -> None:
    expected = Signature(headers=((b"authorization", f"Bearer {SECRET}".encode()),))
    assert plan(make_row("bearer"), SECRET) == expected


def test_a_header_scheme_uses_the_rows_name_in_lower_case_and_its_prefix(
    make_row: MakeRow,
) -> None:
    auth = Auth(scheme="header", name="X-API-Key", prefix="")
    assert headers_of(plan(make_row(auth=auth), SECRET)) == ((b"x-api-key", SECRET.encode()),)


def test_a_query_secret_is_percent_encoded(make_row: MakeRow) -> None:
    auth = Auth(scheme="query", name="key", prefix="")
    signature = plan(make_row(auth=auth), "a&b=c d/é")
    assert isinstance(signature, Signature)
    assert signature.query == "key=a%26b%3Dc%20d%2F%C3%A9"
    assert signature.headers == ()


@pytest.mark.parametrize("scheme", sorted(SIGNERS))
@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_nothing_is_added(
    make_row: MakeRow, scheme: str, secret: str | None
) -> None:
    assert plan(make_row(scheme), secret) == Signature()


def test_the_scheme_none_ignores_a_secret(make_row: MakeRow) -> None:
    assert plan(make_row("none"), SECRET) == Signature()
    assert plan(make_row("none"), "{") == Signature()


def test_an_unknown_scheme_is_refused_by_name(make_row: MakeRow) -> None:
    with pytest.raises(ConfigError, match="'sigv9' is not known"):
        plan(make_row("sigv9"), SECRET)


@pytest.mark.parametrize("tail", ["\r\nx-evil: 1", "\n", "\r", "\x00", "é", "\t"])
def test_a_secret_that_would_break_the_header_is_refused_and_not_repeated(
    make_row: MakeRow, tail: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(make_row("bearer"), SECRET + tail)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("name", ["x key", "x\r\nkey", "", "schlüssel"])
def test_a_header_name_that_is_none_is_refused(make_row: MakeRow, name: str) -> None:
    with pytest.raises(ConfigError, match="not a header name"):
        plan(make_row(auth=Auth(scheme="header", name=name, prefix="")), SECRET)
    with pytest.raises(ConfigError, match="not a header name"):
        plan(make_row(auth=Auth(scheme="oauth", name=name), token_url="https://t.test"), SECRET)


def test_a_plan_never_shows_the_secret(make_row: MakeRow) -> None:
    row = make_row("sigv4", auth_service="bedrock", base_url="https://x.us-east-1.amazonaws.com")
    for each in (
        plan(make_row("bearer"), SECRET),
        plan(make_row(auth=Auth(scheme="query", name="key", prefix="")), SECRET),
        plan(make_row("oauth", token_url="https://t.test"), SECRET),
        plan(row, f"AKIDEXAMPLE:{SECRET}"),
    ):
        assert SECRET not in repr(each)


@pytest.mark.parametrize("scheme", ["bearer", "header", "query"])
def test_a_credential_in_json_is_never_sent_as_a_key(make_row: MakeRow, scheme: str) -> None:
    with pytest.raises(ConfigError):
        plan(make_row(scheme), '{"type": "service_account", "private_key": "x"}')
    with pytest.raises(ConfigError, match="begins like a JSON object"):
        plan(make_row(scheme), "{not json")


def test_a_row_of_keys_also_takes_client_credentials_where_it_knows_the_way(
    make_row: MakeRow,
) -> None:
    auth = Auth(scheme="header", name="api-key", prefix="")
    row = make_row(
        auth=auth,
        token_url="https://login.test/{tenant_id}/oauth2/v2.0/token",
        auth_scope="https://svc.test/.default",
    )
    found = plan(row, '{"tenantId": "t-1", "clientId": "c-1", "clientSecret": "s~1"}')
    assert isinstance(found, ByToken)
    assert found.apply("tok") == ((b"authorization", b"Bearer tok"),)
    assert found.spec.request(AT, "").target == "/t-1/oauth2/v2.0/token"
    assert headers_of(plan(row, "plain-key")) == ((b"api-key", b"plain-key"),)


# AWS

PARTS = (
    '{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr/x+y",'
    ' "AWS_SESSION_TOKEN": "tok/en=="}'
)
REQUEST = WireRequest(
    "POST", Origin("https", "h.test", 443), "/p", ((b"content-type", b"application/json"),), b"{}"
)


def signed_with(row: Provider, secret: str) -> dict[bytes, bytes]:
    found = plan(row, secret)
    assert isinstance(found, PerRequest)
    return dict(found.sign(REQUEST, AT).headers)


def test_aws_keys_sign_each_request_for_the_hosts_region(make_row: MakeRow) -> None:
    row = make_row(
        "sigv4",
        auth_service="bedrock",
        base_url="https://bedrock-runtime.eu-central-1.amazonaws.com",
    )
    headers = signed_with(row, PARTS)
    scope = b"Credential=AKIDEXAMPLE/20261120/eu-central-1/bedrock/aws4_request"
    assert scope in headers[b"authorization"]
    assert headers[b"x-amz-security-token"] == b"tok/en=="
    assert b"x-amz-security-token" not in signed_with(row, "AKIDEXAMPLE:wJalr/x+y")


def test_a_region_in_the_credential_wins_over_the_hosts(make_row: MakeRow) -> None:
    row = make_row("sigv4", auth_service="bedrock", base_url="http://127.0.0.1:1", private=True)
    secret = PARTS[:-1] + ', "AWS_REGION": "us-west-2"}'
    assert b"/us-west-2/bedrock/" in signed_with(row, secret)[b"authorization"]
    with pytest.raises(ConfigError, match="which region"):
        plan(row, PARTS)


def test_a_text_that_is_no_pair_is_a_bearer_token_where_the_row_says_so(make_row: MakeRow) -> None:
    row = make_row("sigv4", auth_service="bedrock", auth_bearer_env="AWS_BEARER_TOKEN_BEDROCK")
    assert headers_of(plan(row, "bedrock-api-key-x")) == (
        (b"authorization", b"Bearer bedrock-api-key-x"),
    )
    with pytest.raises(ConfigError, match="not an AWS credential"):
        plan(make_row("sigv4", auth_service="bedrock"), "bedrock-api-key-x")


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ('{"AWS_ACCESS_KEY_ID": "A"}', "secret access key"),
        ('{"AWS_SECRET_ACCESS_KEY": "sk-hidden"}', "access key's id"),
        ('{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "sk-hidden\\n"}', "line break"),
    ],
)
def test_an_incomplete_aws_credential_names_what_is_missing(
    make_row: MakeRow, secret: str, said: str
) -> None:
    row = make_row("sigv4", auth_service="bedrock", base_url="https://a.b.us-east-1.amazonaws.com")
    with pytest.raises(ConfigError, match=said) as caught:
        plan(row, secret)
    assert "sk-hidden" not in str(caught.value)


def test_a_row_without_a_service_cannot_sign(make_row: MakeRow) -> None:
    with pytest.raises(ConfigError, match="auth_service"):
        plan(make_row("sigv4"), PARTS)
