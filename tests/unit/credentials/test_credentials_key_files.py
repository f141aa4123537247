"""Key files: what is asked equals what Google's own library asks, and assertions verify."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl

import pytest
from sign_in import KeyPair

from federation.credentials.grants import token_spec
from federation.credentials.plans import TokenSpec
from federation.domain.catalogue import Provider
from federation.errors import ConfigError, UpstreamDenied, UpstreamGarbled
from federation.schema.http import WireRequest

AT = datetime.now(UTC).replace(microsecond=0)
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL = "https://oauth2.googleapis.com/token"
MakeRow = Callable[..., Provider]


@pytest.fixture
def row(make_row: MakeRow) -> Provider:
    return make_row(auth_scope=SCOPE, token_url=TOKEN_URL, token_lifetime_s=3600)


def service_account(pem: str) -> dict[str, Any]:
    return {
        "type": "service_account",
        "project_id": "acme-1",
        "private_key_id": "0123456789abcdef",
        "private_key": pem,
        "client_email": "gateway@acme-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": TOKEN_URL,
        "universe_domain": "googleapis.com",
    }


USER = {
    "type": "authorized_user",
    "client_id": "764086051850.apps.googleusercontent.com",
    "client_secret": "d-FL95Q19q7MQmFpd7hHD0Ty",
    "refresh_token": "1//0abc-def_ghi",
    "quota_project_id": "acme-1",
    "account": "",
}
EXTERNAL = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/workloadIdentityPools/p/providers/q",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
}
IMPERSONATE = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/x@y.test"
    ":generateAccessToken"
)


def spec_of(row: Provider, file: dict[str, Any]) -> TokenSpec:
    return token_spec(row, json.dumps(file))


def form(request: WireRequest) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode(), strict_parsing=True))


class Reply:
    """What Google's library reads of a response."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.data = json.dumps(body).encode()


class Recorder:
    """A transport for Google's library: keeps what it asks, and answers with tokens."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: dict[str, str] | None = None,
        **_: Any,
    ) -> Reply:
        data = body.encode() if isinstance(body, str) else body or b""
        self.asked.append((method, url, dict(headers or {}), data))
        if "generateAccessToken" in url:
            return Reply({"accessToken": "imp", "expireTime": "2099-01-01T00:00:00Z"})
        return Reply({"access_token": "tok", "expires_in": 3600, "token_type": "Bearer"})


def google(module: str) -> Any:
    """A module of the vendor's library, which has no types of its own."""
    return importlib.import_module(f"google.{module}")


def url_of(request: WireRequest) -> str:
    return f"{request.origin.scheme}://{request.origin.host}{request.target}"


def test_a_service_account_signs_what_googles_library_signs(
    row: Provider, key_pair: KeyPair
) -> None:
    info = service_account(key_pair.pem)
    theirs = Recorder()
    library = google("oauth2.service_account").Credentials.from_service_account_info(
        info, scopes=[SCOPE]
    )
    library.refresh(theirs)
    ((method, url, _, body),) = theirs.asked
    ours = spec_of(row, info).request(AT, "")
    assert (ours.method, url_of(ours)) == (method, url)
    expected, found = dict(parse_qsl(body.decode())), form(ours)
    assert found.keys() == expected.keys()
    assert found["grant_type"] == expected["grant_type"]
    jwt = google("auth.jwt")
    verified = jwt.decode(found["assertion"], certs=key_pair.public_pem, audience=TOKEN_URL)
    reference = jwt.decode(expected["assertion"], certs=key_pair.public_pem, audience=TOKEN_URL)
    assert verified["exp"] - verified["iat"] == reference["exp"] - reference["iat"]
    assert verified["iat"] == int(AT.timestamp())
    for claims in (verified, reference):
        del claims["iat"], claims["exp"]
    assert verified == reference
    assert jwt.decode_header(found["assertion"]) == jwt.decode_header(expected["assertion"])


def test_a_changed_assertion_does_not_verify(row: Provider, key_pair: KeyPair) -> None:
    assertion = form(spec_of(row, service_account(key_pair.pem)).request(AT, ""))["assertion"]
    jwt = google("auth.jwt")
    signed, _, proof = assertion.rpartition(".")
    changed = "A" if proof[5] != "A" else "B"
    with pytest.raises(ValueError, match=r"[Ss]ignature"):
        jwt.decode(f"{signed}.{proof[:5]}{changed}{proof[6:]}", certs=key_pair.public_pem)


def test_a_key_with_written_out_line_breaks_is_read(row: Provider, key_pair: KeyPair) -> None:
    info = service_account(key_pair.pem.replace("\n", "\\n"))
    assert spec_of(row, info).request(AT, "").body


def test_a_user_asks_as_googles_library_asks(row: Provider) -> None:
    theirs = Recorder()
    info = {**USER, "token_uri": TOKEN_URL}
    google("oauth2.credentials").Credentials.from_authorized_user_info(info).refresh(theirs)
    ((method, url, _, body),) = theirs.asked
    ours = spec_of(row, USER).request(AT, "")
    assert (ours.method, url_of(ours)) == (method, url)
    assert form(ours) == dict(parse_qsl(body.decode()))


def test_an_external_identity_is_exchanged_as_googles_library_does(
    row: Provider, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("ey.subject.token")
    theirs = Recorder()
    source = {"credential_source": {"file": str(token)}}
    with patch.dict("os.environ", {}, clear=True):
        library = google("auth.identity_pool").Credentials.from_info(
            {**EXTERNAL, **source}, scopes=[SCOPE]
        )
        library.refresh(theirs)
    ((method, url, _, body),) = theirs.asked
    read = {"credential_source": {"file": str(token), "content": "ey.subject.token\n"}}
    ours = spec_of(row, {**EXTERNAL, **read}).request(AT, "")
    assert (ours.method, url_of(ours)) == (method, url)
    assert form(ours) == {k: v for k, v in parse_qsl(body.decode()) if k != "options"}


def test_a_service_account_is_impersonated_in_a_second_step(row: Provider) -> None:
    info = {
        "type": "impersonated_service_account",
        "source_credentials": USER,
        "service_account_impersonation_url": IMPERSONATE,
        "delegates": ["projects/-/serviceAccounts/d@y.test"],
    }
    theirs = Recorder()
    module = google("auth.impersonated_credentials")
    source = google("oauth2.credentials").Credentials.from_authorized_user_info(
        {**USER, "token_uri": TOKEN_URL}
    )
    module.Credentials(
        source, "x@y.test", [SCOPE], delegates=info["delegates"], lifetime=3600
    ).refresh(theirs)
    method, url, headers, body = theirs.asked[-1]
    spec = spec_of(row, info)
    assert spec.base is not None
    assert form(spec.base.request(AT, ""))["grant_type"] == "refresh_token"
    ours = spec.request(AT, "tok")
    assert (ours.method, url_of(ours)) == (method, url)
    assert json.loads(ours.body) == json.loads(body)
    assert dict(ours.headers)[b"authorization"].decode() == headers["authorization"]
    reply = b'{"accessToken": "imp", "expireTime": "2999-01-01T00:00:00Z"}'
    assert spec.read(200, reply, AT).value == "imp"


def test_an_external_identity_can_impersonate_too(row: Provider) -> None:
    spec = spec_of(
        row,
        {
            **EXTERNAL,
            "credential_source": {"content": '{"t": "sub"}', "format": JSON_FORMAT},
            "service_account_impersonation_url": IMPERSONATE,
        },
    )
    assert spec.base is not None
    assert form(spec.base.request(AT, ""))["subject_token"] == "sub"


JSON_FORMAT = {"type": "json", "subject_token_field_name": "t"}


def test_who_we_are_may_be_asked_at_an_address(row: Provider) -> None:
    source = {
        "url": "https://ci.test/id?aud=x",
        "headers": {"Authorization": "Bearer ci"},
        "format": JSON_FORMAT,
    }
    spec = spec_of(row, {**EXTERNAL, "credential_source": source})
    assert spec.base is not None
    request = spec.base.request(AT, "")
    assert (request.method, request.target) == ("GET", "/id?aud=x")
    assert dict(request.headers)[b"authorization"] == b"Bearer ci"
    token = spec.base.read(200, b'{"t": "sub"}', AT)
    assert form(spec.request(AT, token.value))["subject_token"] == "sub"
    for body in (b"{}", b"[", b"\xff", b'{"t": 1}'):
        with pytest.raises(UpstreamGarbled):
            spec.base.read(200, body, AT)
    with pytest.raises(UpstreamDenied):
        spec.base.read(403, b"very-secret", AT)
    with pytest.raises(ConfigError, match="plain http"):
        spec_of(row, {**EXTERNAL, "credential_source": {"url": "http://169.254.169.254/x"}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"private_key": ""}, "lacks 'client_email' or 'private_key'"),
        ({"private_key": "very-secret"}, "private key cannot be read"),
        ({"private_key": 5}, "wrong type"),
        ({"token_uri": "http://t.test"}, "plain http"),
        ({"token_uri": "not an address"}, "absolute https URL"),
        ({"type": "gdch_service_account"}, "kind that is not supported"),
        ({"type": "authorized_user"}, "'client_secret' or 'refresh_token'"),
        ({"type": "external_account"}, "lacks 'audience'"),
        ({"type": "impersonated_service_account"}, "source_credentials"),
        ({**EXTERNAL}, "commands are never run"),
        (
            {**EXTERNAL, "credential_source": {"executable": {"command": "very-secret"}}},
            "commands are never run",
        ),
        (
            {**EXTERNAL, "credential_source": {"environment_id": "aws1", "url": "https://x.test"}},
            "commands are never run",
        ),
        ({**EXTERNAL, "credential_source": {"content": ""}}, "holds no token"),
        (
            {**EXTERNAL, "credential_source": {"url": "https://x.test", "headers": {"a": "b\n"}}},
            "HTTP forbids",
        ),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    row: Provider, key_pair: KeyPair, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        spec_of(row, {**service_account(key_pair.pem), **change})
    assert "very-secret" not in str(caught.value)
    assert "BEGIN" not in str(caught.value)


def test_a_key_that_is_not_rsa_or_too_short_is_refused(row: Provider) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ConfigError, match="not an RSA key"):
        spec_of(row, service_account(pem.decode()))
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    with pytest.raises(ConfigError, match="without a passphrase"):
        spec_of(row, service_account(locked.decode()))


def test_a_user_without_a_place_to_ask_is_refused(make_row: MakeRow) -> None:
    with pytest.raises(ConfigError, match="where the token is fetched"):
        token_spec(make_row(), json.dumps(USER))


def test_deep_files_are_refused(row: Provider) -> None:
    text = '{"type": "impersonated_service_account", "source_credentials": '
    text += '{"a":' * 3000 + "1" + "}" * 3000 + "}"
    with pytest.raises(ConfigError):
        token_spec(row, text)


def test_a_request_never_shows_what_it_holds(row: Provider, key_pair: KeyPair) -> None:
    spec = spec_of(row, service_account(key_pair.pem))
    assert "BEGIN" not in repr(spec)
    assert "assertion" not in repr(spec.request(AT, ""))
