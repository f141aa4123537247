from __future__ import annotations

from dataclasses import replace

import pytest
from control_plane import ACME, HOME, Provided

from federation.control.probes import Prober
from federation.errors import FederationError, InvalidRequest, Unavailable, UpstreamTimeout
from federation.gateway.tokens import Tokens
from federation.schema.http import Origin
from federation.transport.client import Client


def prober(transport: Provided) -> Prober:
    return Prober(transport, Tokens(transport).sign)


async def test_a_probe_lists_models_with_our_credential() -> None:
    provided = Provided()
    probe = await prober(provided).ask(ACME, "sk-acme")
    (request,) = provided.asked
    assert probe.ok
    assert probe.credential == "accepted"
    assert (request.method, request.target) == ("GET", "/v1/models")
    assert request.origin == Origin("https", "acme.test", 443)
    assert (b"authorization", b"Bearer sk-acme") in request.headers
    assert request.body == b""


async def test_a_local_server_is_asked_without_a_key() -> None:
    provided = Provided()
    assert (await prober(provided).ask(HOME, None)).ok
    (request,) = provided.asked
    assert request.origin == Origin("http", "127.0.0.1", 1, private=True)
    assert (b"x-title", b"t") in request.headers


async def test_a_key_may_stand_in_the_query() -> None:
    provided = Provided()
    auth = replace(ACME.auth, scheme="query", name="key", prefix="")
    await prober(provided).ask(replace(ACME, auth=auth), "a&b")
    assert provided.asked[0].target == "/v1/models?key=a%26b"


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "[::ffff:169.254.169.254]"])
async def test_an_address_of_a_metadata_service_is_barred_and_not_asked(host: str) -> None:
    client = Client()
    try:
        row = replace(HOME, base_url=f"http://{host}/v1")
        probe = await Prober(client, Tokens(client).sign).ask(row, None)
    finally:
        await client.aclose()
    assert (probe.ok, probe.barred) == (False, True)
    assert "it is a cloud metadata service" in probe.message


@pytest.mark.parametrize(
    ("status", "ok", "credential"),
    [
        (200, True, "accepted"),
        (404, True, "unknown"),
        (405, True, "unknown"),
        (401, False, "refused"),
        (403, False, "refused"),
        (500, False, "unknown"),
    ],
)
async def test_the_status_says_what_is_wrong(status: int, ok: bool, credential: str) -> None:
    probe = await prober(Provided(status)).ask(ACME, "sk-acme")
    assert (probe.ok, probe.status, probe.credential) == (ok, status, credential)


async def test_silence_is_a_failure() -> None:
    provided = Provided(error=UpstreamTimeout("No answer in time."))
    probe = await prober(provided).ask(ACME, "sk-acme")
    assert (probe.ok, probe.status, probe.message) == (False, 0, "No answer in time.")


async def test_nobody_is_asked_without_the_credential_that_they_want() -> None:
    provided = Provided()
    probe = await prober(provided).ask(ACME, None)
    assert (probe.ok, probe.credential, provided.asked) == (False, "missing", [])


async def test_an_address_that_is_none_is_a_failure() -> None:
    probe = await prober(Provided()).ask(replace(ACME, base_url="ftp://acme.test"), "s")
    assert not probe.ok
    assert "base address" in probe.message


@pytest.mark.parametrize("url", ["https://acme.test:99999/v1", "http://[acme.test/v1"])
async def test_an_address_that_cannot_be_read_is_a_failure(url: str) -> None:
    probe = await prober(Provided()).ask(replace(ACME, base_url=url), "s")
    assert (probe.ok, probe.credential) == (False, "unknown")
    assert "base address" in probe.message


@pytest.mark.parametrize("scheme", ["header", "query"])
async def test_a_credential_that_cannot_be_sent_is_a_failure_and_not_repeated(scheme: str) -> None:
    auth = replace(ACME.auth, scheme=scheme, name="key")
    probe = await prober(Provided()).ask(replace(ACME, auth=auth), "secret\udcff")
    assert not probe.ok
    assert "credential" in probe.message
    assert "secret" not in probe.message


@pytest.mark.parametrize("error", [InvalidRequest("A bad field."), Unavailable("Stopping.")])
async def test_whatever_the_transport_says_is_an_answer(error: FederationError) -> None:
    probe = await prober(Provided(error=error)).ask(ACME, "s")
    assert (probe.ok, probe.message) == (False, error.message)
