"""Calls in the background: started, fetched, cancelled, and given up when nobody is left."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from gateway_rig import at_rest, eventually, refused, status
from responses_rig import PATH, Body, Rig, Spoken, chats, message, rig, speaks
from scripted import Behave, Talk

from federation.domain.routes import Keeping, Settings
from federation.errors import Unavailable
from federation.gateway.responses import background
from federation.schema.storing import CANCELLED, Mark, Save

ALLOWED = Settings(allow_fields=("background",))
ASKED: Body = {"model": "chat", "input": "Hello", "background": True}


def waiting(until: asyncio.Event, then: Behave) -> Behave:
    """Answers once it may."""

    async def behave(talk: Talk) -> None:
        await until.wait()
        await then(talk)

    return behave


async def becomes(rigged: Rig, name: str, *statuses: str) -> Body:
    """The response once it has one of these statuses."""
    for _ in range(3000):
        found: Body = (await rigged.get(name)).json()
        if found["status"] in statuses:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def test_background_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged:
        error = refused(await rigged.client.post(PATH, json=ASKED), 403, "governed_field")
        assert error["param"] == "background"
        assert not rigged.upstreams[0].seen


@pytest.mark.parametrize("dialect", ["openai_responses", "openai"])
async def test_a_call_runs_on_while_nobody_waits(tmp_path: Path, dialect: str) -> None:
    may = asyncio.Event()
    behave = waiting(may, speaks() if dialect == "openai_responses" else chats)
    async with rig(tmp_path, Spoken(behave, dialect), settings=ALLOWED) as rigged:
        reply = await rigged.client.post(PATH, json=ASKED)
        queued = reply.json()
        assert (queued["status"], queued["background"], queued["output"]) == ("queued", True, [])
        assert queued["store"] is True
        assert reply.headers["x-federation-call-id"].startswith("call_")
        found = await becomes(rigged, queued["id"], "in_progress")
        assert found["id"] == queued["id"]
        body = {"model": "chat", "input": "Go on", "previous_response_id": queued["id"]}
        refused(await rigged.client.post(PATH, json=body), 400, "previous_response_not_finished")
        may.set()
        done = await becomes(rigged, queued["id"], "completed")
        assert done["background"] is True
        assert done["output"][0]["content"][0]["text"] == "Hello."
        assert "background" not in rigged.upstreams[0].seen[0].json
        (ended,) = rigged.running.books.ended
        assert ended.call == reply.headers["x-federation-call-id"]
        assert (ended.outcome, ended.usage.output) == ("ok", 5)
        assert (await rigged.ask(previous_response_id=queued["id"]))["status"] == "completed"
        again = await rigged.client.post(f"{PATH}/{queued['id']}/cancel")
        assert again.json() == done, "what is over stays as it is"


async def test_a_cancelled_call_hangs_up_on_its_provider(tmp_path: Path) -> None:
    silent = waiting(asyncio.Event(), speaks())
    async with rig(tmp_path, Spoken(silent), settings=ALLOWED) as rigged:
        name = (await rigged.ask(background=True))["id"]
        await becomes(rigged, name, "in_progress")
        await eventually(lambda: bool(rigged.upstreams[0].seen))
        after = (await rigged.client.post(f"{PATH}/{name}/cancel")).json()
        assert after["status"] == "cancelled"
        await eventually(lambda: rigged.upstreams[0].seen[0].hung_up is not None)
        await eventually(lambda: at_rest(rigged.running))
        assert (await rigged.get(name)).json() == after
        assert (await rigged.client.post(f"{PATH}/{name}/cancel")).json() == after
        (ended,) = rigged.running.books.ended
        assert ended.outcome == "canceled"


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_another_worker_may_end_a_call(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "LOOK_S", 0.05)
    silent = waiting(asyncio.Event(), speaks())
    async with rig(tmp_path, Spoken(silent), settings=ALLOWED) as rigged:
        name = (await rigged.ask(background=True))["id"]
        await becomes(rigged, name, "in_progress")
        await eventually(lambda: bool(rigged.upstreams[0].seen))
        # What another worker would do: it runs nothing, and only tells control.
        if how == "cancel":
            await rigged.plane.control.responses.answer(Mark("default", name, CANCELLED))
        else:
            assert rigged.plane.responses.remove("default", name, 0)
        await eventually(lambda: rigged.upstreams[0].seen[0].hung_up is not None)
        await eventually(lambda: at_rest(rigged.running))
        if how == "cancel":
            assert (await rigged.get(name)).json()["status"] == "cancelled"
        else:
            refused(await rigged.get(name), 404)


async def test_a_deleted_call_is_not_finished(tmp_path: Path) -> None:
    silent = waiting(asyncio.Event(), speaks())
    async with rig(tmp_path, Spoken(silent), settings=ALLOWED) as rigged:
        name = (await rigged.ask(background=True))["id"]
        await becomes(rigged, name, "in_progress")
        await eventually(lambda: bool(rigged.upstreams[0].seen))
        assert (await rigged.client.delete(f"{PATH}/{name}")).status_code == 200
        await eventually(lambda: rigged.upstreams[0].seen[0].hung_up is not None)
        refused(await rigged.get(name), 404, "response_not_found")


async def test_a_call_that_fails_says_why(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(status(400)), settings=ALLOWED) as rigged:
        name = (await rigged.ask(background=True))["id"]
        failed = await becomes(rigged, name, "failed")
        assert failed["error"]["message"]
        assert failed["error"]["code"] == "invalid_prompt"
        assert failed["output"] == []


async def test_an_answer_that_cannot_be_kept_fails_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "LARGEST", 1)
    async with rig(tmp_path, Spoken(speaks()), settings=ALLOWED) as rigged:
        failed = await becomes(rigged, (await rigged.ask(background=True))["id"], "failed")
        assert "too large" in failed["error"]["message"]


async def test_a_call_whose_worker_died_has_failed(tmp_path: Path) -> None:
    silent = waiting(asyncio.Event(), speaks())
    async with rig(tmp_path, Spoken(silent), settings=ALLOWED) as rigged:
        rigged.plane.living.add("worker")
        name = (await rigged.ask(background=True))["id"]
        await becomes(rigged, name, "in_progress")
        rigged.plane.control.responses.round()
        assert await rigged.kept(name) == "in_progress"
        rigged.plane.living.discard("worker")
        rigged.plane.control.responses.round()
        failed = (await rigged.get(name)).json()
        assert failed["status"] == "failed"
        assert failed["error"]["code"] == "server_error"


@pytest.mark.parametrize(
    ("members", "code"),
    [({"store": False}, "background_needs_store"), ({"stream": True}, "background_not_streamed")],
)
async def test_what_cannot_go_with_background(tmp_path: Path, members: Body, code: str) -> None:
    async with rig(tmp_path, Spoken(speaks()), settings=ALLOWED) as rigged:
        refused(await rigged.client.post(PATH, json=ASKED | members), 400, code)


async def test_background_is_never_left_to_the_provider(tmp_path: Path) -> None:
    settings = Settings(allow_fields=("background",), responses=Keeping(store=False))
    async with rig(tmp_path, Spoken(speaks()), settings=settings) as rigged:
        refused(await rigged.client.post(PATH, json=ASKED), 400, "background_needs_store")
        assert not rigged.upstreams[0].seen


async def test_nothing_is_paid_for_that_could_not_be_fetched(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks()), settings=ALLOWED) as rigged:
        rigged.running.world.internal_key = "wrong"
        refused(await rigged.client.post(PATH, json=ASKED), 503, "control_unavailable")
        assert not rigged.upstreams[0].seen


async def test_governed_fields_are_refused_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks()), settings=ALLOWED) as rigged:
        body = ASKED | {"tools": [{"type": "web_search"}]}
        refused(await rigged.client.post(PATH, json=body), 403, "governed_field")


async def test_too_many_calls_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST", 1)
    silent = waiting(asyncio.Event(), speaks())
    async with rig(tmp_path, Spoken(silent), settings=ALLOWED) as rigged:
        await rigged.ask(background=True)
        reply = await rigged.client.post(PATH, json=ASKED)
        refused(reply, 429, "too_many_background_calls")


async def test_an_answer_waits_for_a_control_that_comes_back(tmp_path: Path) -> None:
    may = asyncio.Event()
    async with rig(tmp_path, Spoken(waiting(may, speaks())), settings=ALLOWED) as rigged:
        name = (await rigged.ask(background=True))["id"]
        await becomes(rigged, name, "in_progress")
        desk = rigged.plane.control.responses
        answer = desk.answer
        refusals = 0

        async def away(asked: object) -> object:
            nonlocal refusals
            if isinstance(asked, Save) and refusals < 15:
                refusals += 1
                raise Unavailable("away")
            return await answer(asked)  # type: ignore[arg-type]

        desk.answer = away  # type: ignore[method-assign,assignment]
        may.set()
        assert (await becomes(rigged, name, "completed"))["output"] == [message()]
        assert refusals == 15


async def test_a_worker_that_stops_lets_calls_finish_for_a_while(tmp_path: Path) -> None:
    may = asyncio.Event()
    slow = waiting(may, speaks())
    silent = waiting(asyncio.Event(), speaks())
    async with rig(tmp_path, Spoken(slow), Spoken(silent), settings=ALLOWED) as rigged:
        first = (await rigged.ask(background=True, model="p0"))["id"]
        second = (await rigged.ask(background=True, model="p1"))["id"]
        await becomes(rigged, first, "in_progress")
        await becomes(rigged, second, "in_progress")
        draining = asyncio.create_task(rigged.desk.drain(0.5))
        await asyncio.sleep(0.05)
        refused(await rigged.client.post(PATH, json=ASKED), 503, "draining")
        may.set()
        await draining
        assert await rigged.kept(first) == "completed"
        assert await rigged.kept(second) == "failed"
