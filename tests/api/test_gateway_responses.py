"""Stored responses: kept, continued and found again, over real sockets in one process."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from gateway_rig import http_client, refused, request_bytes
from gateway_rig import rig as plain
from responses_rig import (
    PATH,
    Body,
    Spoken,
    chats,
    event,
    message,
    reasoning,
    response,
    rig,
    speaks,
)
from scripted import Talk, whole
from unix_control import UnixControl

from federation.domain.access import Role
from federation.domain.routes import Keeping, ListenerLimits, Settings
from federation.schema.storing import LONGEST
from federation.telemetry import metrics


def roles(body: Body) -> list[str]:
    return [item.get("role", item.get("type")) for item in body["input"]]


async def test_a_forwarded_answer_gets_our_id_and_is_kept(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        answer = await rigged.ask(metadata={"a": "b"})
        assert answer["id"].startswith("resp_")
        assert answer["id"] != "resp_theirs"
        assert answer["store"] is True
        assert answer["output"] == [message()]
        assert rigged.upstreams[0].seen[0].json["store"] is False
        found = await rigged.get(answer["id"])
        assert found.json() == answer
        assert found.headers["content-type"] == "application/json"
        items = (await rigged.get(answer["id"], "/input_items")).json()["data"]
        assert [item["content"][0]["text"] for item in items] == ["Hello"]
        (ended,) = rigged.running.books.ended
        assert (ended.outcome, ended.usage.input) == ("ok", 10)


async def test_a_forwarded_stream_is_kept_before_its_end_is_seen(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        events = await rigged.stream()
        kinds = [each["type"] for each in events]
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        (name,) = {each["response"]["id"] for each in events if "response" in each}
        assert name != "resp_theirs"
        assert all(each["response"]["store"] for each in events if "response" in each)
        assert (await rigged.get(name)).json() == events[-1]["response"]


async def test_the_end_of_a_stream_waits_for_its_being_kept(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        desk = rigged.plane.control.responses
        answer = desk.answer
        may = asyncio.Event()

        async def slow(asked: object) -> object:
            await may.wait()
            return await answer(asked)  # type: ignore[arg-type]

        desk.answer = slow  # type: ignore[method-assign,assignment]
        body = {"model": "chat", "input": "Hello", "stream": True}
        seen = b""
        async with rigged.client.stream("POST", PATH, json=body) as reply:
            async for piece in reply.aiter_bytes():
                seen += piece
                if b"delta" in seen and not may.is_set():
                    await asyncio.sleep(0.1)
                    assert b"response.completed" not in seen
                    may.set()
        assert b'"store": true' in seen or b'"store":true' in seen
        assert b"response.completed" in seen


@pytest.mark.parametrize("stream", [False, True])
async def test_a_translated_answer_is_ours_from_the_start(tmp_path: Path, stream: bool) -> None:
    async with rig(tmp_path, Spoken(whole, "openai")) as rigged:
        if stream:
            events = await rigged.stream()
            answer = events[-1]["response"]
            added = next(each for each in events if each["type"] == "response.output_item.added")
            assert added["item"]["id"].removeprefix("msg_")[:40] == answer["id"][5:45]
        else:
            answer = await rigged.ask()
        assert answer["output"][0]["id"].removeprefix("msg_")[:40] == answer["id"][5:45]
        assert answer["store"] is True
        assert (await rigged.get(answer["id"])).json() == answer


async def test_a_conversation_goes_on_by_id_alone(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        first = await rigged.ask("One", instructions="Be kind.")
        second = await rigged.ask("Two", previous_response_id=first["id"])
        assert second["previous_response_id"] == first["id"]
        events = await rigged.stream("Three", previous_response_id=second["id"])
        assert events[0]["response"]["previous_response_id"] == second["id"]
        last = rigged.upstreams[0].seen[-1].json
        assert "previous_response_id" not in last
        assert "instructions" not in last
        assert last["store"] is False
        assert roles(last) == ["user", "assistant", "user", "assistant", "user"]
        own = (await rigged.get(second["id"], "/input_items")).json()["data"]
        assert len(own) == 1, "a call lists what it brought itself"


async def test_a_conversation_may_move_to_a_provider_of_another_dialect(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks()), Spoken(chats, "openai")) as rigged:
        first = await rigged.ask("One", model="p0")
        second = await rigged.ask("Two", model="p1", previous_response_id=first["id"])
        await rigged.ask("Three", model="p0", previous_response_id=second["id"])
        told = rigged.upstreams[1].seen[0].json["messages"]
        assert [each["content"] for each in told] == ["One", "Hello.", "Two"]
        last = rigged.upstreams[0].seen[-1].json
        assert roles(last) == ["user", "assistant", "user", "assistant", "user"]


async def test_sealed_reasoning_goes_back_to_its_maker_alone(tmp_path: Path) -> None:
    sealing = speaks(reasoning("opaque-state"), message())
    async with rig(tmp_path, Spoken(sealing), Spoken(sealing), Spoken(chats, "openai")) as rigged:
        first = await rigged.ask("One", model="p0")
        await rigged.ask("Two", model="p0", previous_response_id=first["id"])
        again = rigged.upstreams[0].seen[-1].json
        assert again["input"][1] == reasoning("opaque-state"), "its bytes were forwarded"
        moved = await rigged.ask("Two", model="p1", previous_response_id=first["id"])
        assert b"opaque-state" not in rigged.upstreams[1].seen[0].body
        assert "reasoning" not in roles(rigged.upstreams[1].seen[0].json)
        await rigged.ask("Two", model="p2", previous_response_id=first["id"])
        assert b"opaque-state" not in rigged.upstreams[2].seen[0].body
        # Both have answered now: each gets what it made, and nothing of the other.
        third = await rigged.ask("Three", model="p0", previous_response_id=moved["id"])
        back = rigged.upstreams[0].seen[-1].json["input"]
        assert [item for item in back if item.get("type") == "reasoning"] == [
            item for item in back if item.get("encrypted_content") == "opaque-state"
        ]
        assert len([item for item in back if item.get("type") == "reasoning"]) == 1
        assert third["status"] == "completed"


async def test_reasoning_without_a_seal_is_not_sent_back(tmp_path: Path) -> None:
    bare = speaks(reasoning(None), message())
    async with rig(tmp_path, Spoken(bare)) as rigged:
        first = await rigged.ask("One")
        await rigged.ask("Two", previous_response_id=first["id"])
        assert roles(rigged.upstreams[0].seen[-1].json) == ["user", "assistant", "user"]
        assert (await rigged.get(first["id"])).json()["output"][0] == reasoning(None)


async def test_items_of_kept_answers_can_be_pointed_to(tmp_path: Path) -> None:
    sealing = speaks(reasoning("opaque-state", "rs_1"), message("Warm.", "msg_1"))
    async with rig(tmp_path, Spoken(sealing)) as rigged:
        await rigged.ask("How warm?")
        pointed = [
            {"role": "user", "content": "How warm?"},
            {"type": "item_reference", "id": "rs_1"},
            {"id": "msg_1"},
            {"role": "user", "content": "Sure?"},
        ]
        second = await rigged.ask(input=pointed)
        told = rigged.upstreams[0].seen[-1].json["input"]
        assert told[1] == reasoning("opaque-state", "rs_1")
        assert told[2]["content"][0]["text"] == "Warm."
        items = (await rigged.get(second["id"], "/input_items?order=asc")).json()["data"]
        assert [item["type"] for item in items] == ["message", "reasoning", "message", "message"]
        unknown = {"model": "chat", "input": [{"type": "item_reference", "id": "msg_9"}]}
        error = refused(await rigged.client.post(PATH, json=unknown), 404, "item_not_found")
        assert error["param"] == "input"
        rigged.become("other")
        foreign = {"model": "chat", "input": [{"type": "item_reference", "id": "msg_1"}]}
        refused(await rigged.client.post(PATH, json=foreign), 404, "item_not_found")


async def test_a_bare_thought_that_is_pointed_to_is_left_out(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks(reasoning(None, "rs_1"), message()))) as rigged:
        await rigged.ask()
        pointed = [{"type": "item_reference", "id": "rs_1"}, {"role": "user", "content": "Go on"}]
        await rigged.ask(input=pointed)
        assert roles(rigged.upstreams[0].seen[-1].json) == ["user"]


async def test_a_response_is_nothing_to_another_tenant(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        answer = await rigged.ask()
        name = answer["id"]
        rigged.become("other")
        never = await rigged.get("resp_never")
        for reply in (
            await rigged.get(name),
            await rigged.get(name, "/input_items"),
            await rigged.client.delete(f"{PATH}/{name}"),
            await rigged.client.post(f"{PATH}/{name}/cancel"),
        ):
            refused(reply, 404, "response_not_found")
            assert reply.text.replace(name, "resp_never") == never.text
        body = {"model": "chat", "input": "Go on", "previous_response_id": name}
        error = refused(
            await rigged.client.post(PATH, json=body), 404, "previous_response_not_found"
        )
        assert error["param"] == "previous_response_id"
        assert len(rigged.upstreams[0].seen) == 1
        rigged.become("default")
        assert (await rigged.get(name)).json() == answer


async def test_a_deleted_response_is_gone_and_so_is_what_continues_it(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        first = await rigged.ask()
        second = await rigged.ask(previous_response_id=first["id"])
        reply = await rigged.client.delete(f"{PATH}/{first['id']}")
        assert reply.json() == {"id": first["id"], "object": "response", "deleted": True}
        refused(await rigged.client.delete(f"{PATH}/{first['id']}"), 404, "response_not_found")
        refused(await rigged.get(first["id"]), 404, "response_not_found")
        assert (await rigged.get(second["id"])).status_code == 200
        body = {"model": "chat", "input": "Go on", "previous_response_id": second["id"]}
        refused(await rigged.client.post(PATH, json=body), 404, "previous_response_not_found")


async def test_a_response_is_kept_for_its_days_and_not_longer(tmp_path: Path) -> None:
    settings = Settings(responses=Keeping(keep_days=2))
    async with rig(tmp_path, Spoken(speaks()), settings=settings) as rigged:
        answer = await rigged.ask()
        rigged.plane.clock.now += 2 * 86_400 - 1
        assert (await rigged.get(answer["id"])).status_code == 200
        rigged.plane.clock.now += 1
        refused(await rigged.get(answer["id"]), 404, "response_not_found")
        rigged.plane.control.responses.round()
        rigged.plane.clock.now = 0.0
        assert await rigged.kept(answer["id"]) == "", "it was swept"


async def test_a_conversation_is_bounded_in_length_and_size(tmp_path: Path) -> None:
    settings = Settings(listener=ListenerLimits(body_bytes=4000))
    async with rig(tmp_path, Spoken(speaks()), settings=settings) as rigged:
        name = (await rigged.ask("x" * 1500))["id"]
        body = {"model": "chat", "input": "y" * 1500, "previous_response_id": name}
        big = (await rigged.client.post(PATH, json=body)).json()["id"]
        error = refused(
            await rigged.client.post(PATH, json=body | {"previous_response_id": big}),
            413,
            "conversation_too_long",
        )
        assert error["param"] == "previous_response_id"


async def test_a_conversation_of_too_many_turns_is_refused(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        stored = rigged.plane.responses
        first = (await rigged.ask("x"))["id"]
        (entry,) = stored.chain("default", first, 0, 1, 1 << 30)
        for at in range(LONGEST):
            before = f"resp_{at - 1}" if at else first
            stored.add(replace(entry, id=f"resp_{at}", previous=before), ())
        body = {"model": "chat", "input": "y", "previous_response_id": f"resp_{LONGEST - 1}"}
        refused(await rigged.client.post(PATH, json=body), 413, "conversation_too_long")


async def test_what_is_not_to_be_stored_is_not(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        answer = await rigged.ask(store=False)
        assert (answer["id"], answer["store"]) == ("resp_theirs", False)
        events = await rigged.stream(store=False)
        assert events[-1]["response"]["id"] == "resp_theirs"
        refused(await rigged.get("resp_theirs"), 404, "response_not_found")
        first = await rigged.ask("One", store=True)
        assert rigged.upstreams[0].seen[-1].json["store"] is False
        second = await rigged.ask("Two", previous_response_id=first["id"], store=False)
        assert second["id"] == "resp_theirs"
        assert roles(rigged.upstreams[0].seen[-1].json) == ["user", "assistant", "user"]
        assert [entry.id for entry in rigged.plane.responses._entries.values()] == [first["id"]]


@pytest.mark.parametrize("dialect", ["openai_responses", "openai"])
async def test_an_operator_may_have_nothing_kept(tmp_path: Path, dialect: str) -> None:
    behave = speaks() if dialect == "openai_responses" else whole
    settings = Settings(responses=Keeping(store=False))
    async with rig(tmp_path, Spoken(behave, dialect), settings=settings) as rigged:
        answer = await rigged.ask()
        assert answer["store"] is False
        refused(await rigged.get(answer["id"]), 404, "response_not_found")
        body = {"model": "chat", "input": "Hello", "store": True}
        error = refused(await rigged.client.post(PATH, json=body), 403, "governed_field")
        assert error["param"] == "store"


async def test_an_operator_may_leave_it_to_the_call(tmp_path: Path) -> None:
    settings = Settings(responses=Keeping(store=False), allow_fields=("store",))
    async with rig(tmp_path, Spoken(speaks()), settings=settings) as rigged:
        assert (await rigged.ask())["store"] is False
        answer = await rigged.ask(store=True)
        assert answer["store"] is True
        assert (await rigged.get(answer["id"])).json() == answer
        assert rigged.upstreams[0].seen[-1].json["store"] is False


async def test_a_denied_field_is_denied_whatever_is_kept(tmp_path: Path) -> None:
    settings = Settings(deny_fields=("store", "previous_response_id", "input.item_reference"))
    async with rig(tmp_path, Spoken(speaks()), settings=settings) as rigged:
        assert (await rigged.ask())["store"] is False
        for members, field in (
            ({"store": True}, "store"),
            ({"previous_response_id": "resp_1"}, "previous_response_id"),
            ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input.item_reference"),
        ):
            body = {"model": "chat", "input": "Hello"} | members
            error = refused(await rigged.client.post(PATH, json=body), 403, "governed_field")
            assert error["param"] == field


@pytest.mark.parametrize("dialect", ["openai_responses", "openai"])
async def test_an_answer_is_given_although_control_is_away(tmp_path: Path, dialect: str) -> None:
    behave = speaks() if dialect == "openai_responses" else whole
    async with rig(tmp_path, Spoken(behave, dialect)) as rigged:
        first = await rigged.ask()
        rigged.running.world.internal_key = "wrong"
        began = time.monotonic()
        answer = await rigged.ask()
        assert answer["store"] is False
        events = await rigged.stream()
        assert events[-1]["type"] == "response.completed"
        assert events[-1]["response"]["store"] is False
        assert 2.0 <= time.monotonic() - began < 3.5
        assert rigged.counted(metrics.RESPONSES_UNKEPT) == 2
        body = {"model": "chat", "input": "Go on", "previous_response_id": first["id"]}
        reply = await rigged.client.post(PATH, json=body)
        refused(reply, 503, "store_unavailable")
        assert int(reply.headers["retry-after"]) > 0
        refused(await rigged.get(first["id"]), 503)


async def test_a_control_that_is_gone_costs_a_second_and_no_answer(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        rigged.stop_control()
        await asyncio.sleep(0.3)
        began = time.monotonic()
        assert (await rigged.ask())["store"] is False
        assert 1.0 <= time.monotonic() - began < 1.6
        refused(await rigged.get("resp_1"), 503, "control_unavailable")


async def test_what_a_provider_garbles_is_handed_on_and_not_kept(tmp_path: Path) -> None:
    odd = response()
    for members in ({"output": None}, {"output": ["x"]}, {"output": [{"id": 5}]}):
        home = tmp_path / str(len(str(members)))
        home.mkdir()
        body = json.dumps(odd | members).encode()

        async def behave(talk: Talk, body: bytes = body) -> None:
            await talk.answer(body)

        async with rig(home, Spoken(behave)) as rigged:
            reply = await rigged.client.post(PATH, json={"model": "chat", "input": "Hello"})
            assert reply.status_code in (200, 502)
            if reply.status_code == 200:
                assert reply.content == body
                assert rigged.counted(metrics.RESPONSES_UNKEPT) == 1
            assert not rigged.plane.responses._entries


async def test_a_stream_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    async def behave(talk: Talk) -> None:
        await talk.begin_stream()
        await talk.event(event("response.created", 0, response=response(status="in_progress")))
        place = {"item_id": "msg_theirs", "output_index": 0, "content_index": 0}
        await talk.event(event("response.output_text.delta", 1, delta="Hel", **place))
        talk.reset()

    async with rig(tmp_path, Spoken(behave)) as rigged:
        body = {"model": "chat", "input": "Hello", "stream": True}
        seen = b""
        async with rigged.client.stream("POST", PATH, json=body) as reply:
            pieces = reply.aiter_bytes()
            with suppress(httpx.RemoteProtocolError):
                async for piece in pieces:
                    seen += piece
        assert b"event: error" in seen
        assert not rigged.plane.responses._entries
        (ended,) = rigged.running.books.ended
        assert ended.outcome == "cut"


async def test_an_incomplete_answer_is_kept_as_it_is(tmp_path: Path) -> None:
    cut = speaks(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    async with rig(tmp_path, Spoken(cut)) as rigged:
        answer = await rigged.ask()
        assert answer["status"] == "incomplete"
        assert (await rigged.get(answer["id"])).json() == answer


async def test_who_may_come_back_to_a_response(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        name = (await rigged.ask())["id"]
        for role in (Role.VIEWER, Role.AUDITOR):
            rigged.become(role=role)
            refused(await rigged.get(name), 403, "permission_denied")
            refused(await rigged.client.delete(f"{PATH}/{name}"), 403, "permission_denied")
        rigged.become()
        rigged.client.headers["authorization"] = "Bearer nobody"
        refused(await rigged.get(name), 401)


@pytest.mark.parametrize(
    ("method", "rest", "status"),
    [
        ("GET", "?stream=true", 400),
        ("GET", "?stream=false&include[]=x", 200),
        ("GET", "/input_items?limit=0", 400),
        ("GET", "/input_items?after=nobody", 400),
        ("POST", "/cancel", 400),
        ("GET", "/cancel", 405),
        ("PUT", "", 405),
        ("POST", "", 405),
        ("GET", "/other", 404),
    ],
)
async def test_what_is_below_a_response(
    tmp_path: Path, method: str, rest: str, status: int
) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        name = (await rigged.ask())["id"]
        reply = await rigged.client.request(method, f"{PATH}/{name}{rest}")
        if status == 200:
            assert reply.status_code == 200
        else:
            error = refused(reply, status)
            if rest == "?stream=true":
                assert error["code"] == "stream_not_offered"
        assert (await rigged.client.head(f"{PATH}/{name}")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/internal/responses",
        "//internal/responses",
        "/internal",
        "/docs/../internal/responses",
        "/docs/%2e%2e/internal/responses",
        "/admin/..%2finternal%2fresponses",
        "/v1/calls/../../internal/responses",
        "/metrics%3f/../internal/responses",
    ],
)
async def test_no_client_reaches_what_is_for_workers(tmp_path: Path, path: str) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        reader, writer = await asyncio.open_connection("127.0.0.1", rigged.running.port)
        key = rigged.running.world.internal_key
        marks = (f"x-federation-internal: {key}", "connection: close")
        writer.write(request_bytes(b"", path=path, headers=marks))
        reply = await reader.read()
        writer.close()
        status = int(reply.split(b" ", 2)[1])
        assert status in (400, 404, 405)
        assert b"msgpack" not in reply.partition(b"\r\n\r\n")[0]


async def test_the_header_of_workers_is_never_passed_on(tmp_path: Path) -> None:
    async def behave(talk: Talk) -> None:
        await talk.answer(b"{}")

    async with (
        UnixControl(tmp_path / "api.sock", behave) as control,
        plain(control=tmp_path / "api.sock") as (running, _, _up),
        http_client(running.url) as client,
    ):
        await client.get("/v1/calls", headers={"x-federation-internal": "guess"})
        assert "x-federation-internal" not in control.seen[0].headers
