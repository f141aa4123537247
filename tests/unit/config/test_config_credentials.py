"""Credentials of several parts, and variables that hold paths: from the environment of the
real catalogue's rows to a plan for signing in."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from sign_in import new_key_pair

from federation.catalogue import reader
from federation.config.credentials import files, resolve_all
from federation.config.load import load
from federation.config.settings import Loaded
from federation.credentials.plans import ByToken, PerRequest, Signature, SignPlan
from federation.credentials.signers import plan
from federation.schema.http import Origin, WireRequest

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
Read = Callable[[dict[str, str]], Loaded]


@pytest.fixture
def reading(config_dir: Path) -> Read:
    catalogue = reader.load()

    def read(environ: dict[str, str]) -> Loaded:
        return load(config_dir, environ, catalogue, None)

    return read


@pytest.fixture(scope="module")
def pem() -> str:
    return new_key_pair().pem


def planned(found: Loaded, provider: str) -> SignPlan:
    return plan(found.providers[provider], resolve_all(found).secrets[provider])


def form(found: SignPlan) -> dict[str, str]:
    assert isinstance(found, ByToken)
    return dict(parse_qsl(found.spec.request(AT, "").body.decode()))


AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalr/x+y",
    "AWS_REGION": "eu-central-1",
}


def test_aws_variables_become_one_credential(reading: Read) -> None:
    found = reading({**AWS, "AWS_SESSION_TOKEN": " tok "})
    assert json.loads(resolve_all(found).secrets["bedrock"]) == {
        **AWS,
        "AWS_SESSION_TOKEN": "tok",
    }
    for row, service in (
        ("bedrock", b"bedrock"),
        ("claude_on_aws", b"aws-external-anthropic"),
        ("sagemaker", b"sagemaker"),
    ):
        signed = planned(found, row)
        assert isinstance(signed, PerRequest)
        request = signed.sign(WireRequest("GET", Origin("https", "h.test", 443), "/", ()), AT)
        proof = dict(request.headers)[b"authorization"]
        assert b"/eu-central-1/%s/aws4_request" % service in proof


def test_a_bearer_token_of_aws_needs_no_other_part(reading: Read) -> None:
    found = reading({"BEDROCK_API_KEY": "bedrock-api-key-1", "AWS_REGION": "us-east-1"})
    assert planned(found, "bedrock") == Signature(
        headers=((b"authorization", b"Bearer bedrock-api-key-1"),)
    )


def test_a_key_file_is_read_where_its_variable_says(
    reading: Read, tmp_path: Path, pem: str
) -> None:
    path = tmp_path / "adc.json"
    account = {
        "type": "service_account",
        "client_email": "a@b.test",
        "private_key": pem,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    path.write_text(json.dumps(account))
    path.chmod(0o600)
    place = {"GOOGLE_VERTEX_PROJECT": "p-1", "GOOGLE_VERTEX_LOCATION": "europe-west4"}
    found = reading({"GOOGLE_APPLICATION_CREDENTIALS": str(path), **place})
    assert "assertion" in form(planned(found, "vertex"))
    assert "assertion" in form(planned(found, "vertex_anthropic"))
    assert path in found.files
    inline = reading({"GOOGLE_APPLICATION_CREDENTIALS": json.dumps(account), **place})
    assert "assertion" in form(planned(inline, "vertex"))
    missing = reading({"GOOGLE_APPLICATION_CREDENTIALS": f"{tmp_path}/none", **place})
    assert "vertex" not in resolve_all(missing).secrets
    assert "cannot be read" in resolve_all(missing).warnings[0].message


def test_a_path_below_the_home_directory_is_found(
    reading: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "k").write_text("{}")
    place = {"GOOGLE_VERTEX_PROJECT": "p-1", "GOOGLE_VERTEX_LOCATION": "europe-west4"}
    found = reading({"GOOGLE_APPLICATION_CREDENTIALS": "~/k", **place})
    assert resolve_all(found).secrets["vertex"] == "{}"
    assert tmp_path / "k" in found.files


def test_a_path_below_the_home_directory_of_nobody_is_not_found(
    reading: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    place = {"GOOGLE_VERTEX_PROJECT": "p-1", "GOOGLE_VERTEX_LOCATION": "europe-west4"}
    found = resolve_all(reading({"GOOGLE_APPLICATION_CREDENTIALS": "~/k", **place}))
    assert "vertex" not in found.secrets
    assert "~/k cannot be read" in found.warnings[0].message


def test_the_file_of_another_token_is_read_into_its_key_file(reading: Read, tmp_path: Path) -> None:
    subject, path = tmp_path / "subject", tmp_path / "adc.json"
    subject.write_text("ey.sub\n")
    account = {
        "type": "external_account",
        "audience": "//iam.test/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.test/v1/token",
        "credential_source": {"file": str(subject)},
    }
    path.write_text(json.dumps(account))
    place = {"GOOGLE_VERTEX_PROJECT": "p-1", "GOOGLE_VERTEX_LOCATION": "europe-west4"}
    found = reading({"GOOGLE_APPLICATION_CREDENTIALS": str(path), **place})
    assert form(planned(found, "vertex"))["subject_token"] == "ey.sub"
    assert {subject, path} <= set(found.files)
    subject.unlink()
    secret = json.loads(resolve_all(found).secrets["vertex"])
    assert "content" not in secret["credential_source"]


def test_a_signing_key_comes_from_its_file(reading: Read, tmp_path: Path, pem: str) -> None:
    path = tmp_path / "oci.pem"
    path.write_text(pem)
    path.chmod(0o600)
    found = reading(
        {
            "OCI_KEY_FILE": str(path),
            "OCI_TENANCY": "t",
            "OCI_USER": "u",
            "OCI_FINGERPRINT": "f",
            "OCI_REGION": "eu-frankfurt-1",
        }
    )
    assert isinstance(planned(found, "oci"), PerRequest)
    assert path in found.files
    assert resolve_all(found).warnings == ()
    path.chmod(0o644)
    (warning,) = resolve_all(found).warnings
    assert "chmod 600" in warning.message


def test_client_credentials_come_from_three_variables_or_one_key(reading: Read) -> None:
    parts = {
        "AICORE_CLIENT_ID": "sb-1!b2",
        "AICORE_CLIENT_SECRET": "s$1",
        "AICORE_AUTH_URL": "https://sub.authentication.test",
        "AICORE_BASE_URL": "https://api.ai.test",
    }
    secret = resolve_all(reading(parts)).secrets["sap_ai_core"]
    row = reading(parts).providers["sap_ai_core"]
    one = plan(row, secret)
    key = {
        "clientid": "sb-1!b2",
        "clientsecret": "s$1",
        "url": "https://sub.authentication.test",
        "serviceurls": {"AI_API_URL": "https://api.ai.test"},
    }
    other = plan(row, json.dumps(key))
    assert form(one) == form(other)
    assert form(one)["client_id"] == "sb-1!b2"
    assert isinstance(one, ByToken)
    assert one.spec.request(AT, "").target == "/oauth/token"


def test_a_scope_comes_along_with_its_key(reading: Read) -> None:
    found = reading({"GIGACHAT_CREDENTIALS": "aWQ6cw==", "GIGACHAT_SCOPE": "GIGACHAT_API_CORP"})
    assert form(planned(found, "gigachat")) == {"scope": "GIGACHAT_API_CORP"}
    alone = reading({"GIGACHAT_CREDENTIALS": "aWQ6cw=="})
    assert resolve_all(alone).secrets["gigachat"] == "aWQ6cw=="


def test_an_api_key_of_watsonx_is_exchanged(reading: Read) -> None:
    found = reading({"WATSONX_APIKEY": "k-1", "WATSONX_URL": "https://eu-de.ml.cloud.ibm.com"})
    assert form(planned(found, "watsonx"))["apikey"] == "k-1"


def test_a_variable_that_is_no_part_stands_for_the_whole(reading: Read, config_dir: Path) -> None:
    (config_dir / "providers.yaml").write_text("- {id: bedrock, credential: env:MINE}\n")
    found = reading({"MINE": "AKIDEXAMPLE:wJalr/x+y", **AWS})
    assert resolve_all(found).secrets["bedrock"] == "AKIDEXAMPLE:wJalr/x+y"
    assert isinstance(planned(found, "bedrock"), PerRequest)


def test_equal_references_of_different_rows_are_kept_apart(reading: Read, config_dir: Path) -> None:
    row = "- {id: mine, dialect: openai, base_url: 'https://x.test', "
    row += "credential: env:AWS_ACCESS_KEY_ID}"
    (config_dir / "providers.yaml").write_text(row)
    secrets = resolve_all(reading(AWS)).secrets
    assert secrets["mine"] == "AKIDEXAMPLE"
    assert secrets["bedrock"].startswith("{")


def test_plain_credentials_are_watched_by_their_files_only(reading: Read, tmp_path: Path) -> None:
    found = reading({"OPENAI_API_KEY": "/not/a/path"})
    assert files(found.providers.values(), found.environ) == ()
