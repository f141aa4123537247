"""The id that a client gives its request is recorded and told back, and is never our own."""

from __future__ import annotations

import pytest
from gateway_rig import AUTH, CHAT, HELLO, STREAM, rig, status
from scripted import whole

MINE = "trace-7:4f.a_b"


@pytest.mark.parametrize("name", ["x-client-request-id", "x-request-id"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_it_is_told_back_and_recorded_beside_our_own(name: str, stream: bool) -> None:
    async with rig(whole) as (running, client, (upstream,)):
        body = STREAM if stream else HELLO
        for _ in range(2):
            reply = await client.post(CHAT, json=body, headers={name: MINE})
            assert reply.headers["x-client-request-id"] == MINE
            assert reply.headers["x-request-id"].startswith("call_")
        first, second = running.books.ended
        assert first.client_id == second.client_id == MINE
        assert first.call != second.call, "given twice, it names two calls"
        assert MINE not in str(upstream.seen[0].headers), "it is between the client and us"


async def test_a_call_that_fails_has_it_too() -> None:
    async with rig(status(400)) as (running, client, _):
        reply = await client.post(CHAT, json=HELLO, headers={"x-request-id": MINE})
        assert (reply.status_code, reply.headers["x-client-request-id"]) == (400, MINE)
        assert running.books.ended[0].client_id == MINE


@pytest.mark.parametrize("given", ["a b", "x" * 129, "<b>", "ann@example.com", "", "a;b", "\xe9"])
async def test_what_could_be_anything_else_is_no_id(given: str) -> None:
    async with rig(whole) as (running, client, _):
        raw = {b"x-request-id": given.encode("latin-1")}
        reply = await client.post(CHAT, json=HELLO, headers=raw)
        assert reply.status_code == 200
        assert "x-client-request-id" not in reply.headers
        assert running.books.ended[0].client_id == ""


async def test_the_name_of_a_user_in_it_is_not_recorded() -> None:
    async with rig(whole) as (running, client, _):
        who = {"x-request-id": "job-annabella.smith-1", "x-federation-user": "annabella.smith"}
        reply = await client.post(CHAT, json=HELLO, headers=who)
        assert reply.headers["x-client-request-id"] == "job-annabella.smith-1"
        (record,) = running.books.ended
        assert "annabella" not in record.client_id
        assert record.client_id.startswith("job-")


async def test_a_request_that_is_refused_before_it_is_a_call_has_an_id() -> None:
    async with rig(whole) as (running, client, _):
        wrong = {"authorization": "Bearer wrong", "x-request-id": MINE}
        seen = set()
        for path, body, headers, code in (
            (CHAT, "{}", wrong, 401),
            (CHAT, "{", AUTH, 400),
            ("/v1/messages", "{", AUTH, 400),
            ("/v1/nothing", "{}", AUTH, 404),
        ):
            reply = await client.post(path, content=body, headers=headers)
            assert reply.status_code == code
            assert reply.headers["x-request-id"].startswith("req_")
            assert "x-federation-call-id" not in reply.headers, "there is no account of it"
            assert reply.headers.get("x-client-request-id") == headers.get("x-request-id")
            seen.add(reply.headers["x-request-id"])
        assert len(seen) == 4
        assert not running.books.ended


async def test_a_body_that_cannot_be_unpacked_is_refused_with_it() -> None:
    async with rig(whole) as (_, client, _ups):
        headers = {"content-encoding": "gzip", "x-request-id": MINE}
        reply = await client.post(CHAT, content=b"no gzip", headers=headers)
        assert (reply.status_code, reply.headers["x-client-request-id"]) == (400, MINE)
        assert reply.headers["x-request-id"].startswith("req_")


async def test_an_error_of_a_call_has_its_id_where_every_client_looks() -> None:
    body = {"model": "chat", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    async with rig(status(400)) as (running, client, _):
        reply = await client.post("/v1/messages", json=body)
        assert reply.status_code == 400
        call = running.books.ended[0].call
        names = ("x-request-id", "request-id", "x-federation-call-id")
        assert [reply.headers[name] for name in names] == [call] * 3
