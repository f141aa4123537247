"""The official client's view of stored responses, unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest
from inprocess import SECRET
from responses_rig import Rig, Spoken, rig, speaks
from scripted import Behave, Talk, whole

from federation.domain.routes import Settings

DIALECTS: dict[str, Behave] = {"openai_responses": speaks(), "openai": whole}


@asynccontextmanager
async def client(rigged: Rig) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client, with the test's key."""
    async with openai.AsyncOpenAI(
        api_key=SECRET, base_url=f"{rigged.running.url}/v1", max_retries=0
    ) as made:
        yield made


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_conversation_by_ids(tmp_path: Path, dialect: str) -> None:
    async with (
        rig(tmp_path, Spoken(DIALECTS[dialect], dialect)) as rigged,
        client(rigged) as sdk,
    ):
        first = await sdk.responses.create(model="chat", input="How warm is it?")
        assert (first.model_extra or {})["store"] is True
        second = await sdk.responses.create(
            model="chat", input="And tomorrow?", previous_response_id=first.id
        )
        assert (second.previous_response_id, second.output_text) == (first.id, "Hello.")
        assert await sdk.responses.retrieve(second.id) == second
        items = [item async for item in sdk.responses.input_items.list(first.id)]
        assert [(item.type, item.id) for item in items] == [("message", items[0].id)]
        await sdk.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError) as gone:
            await sdk.responses.retrieve(first.id)
        assert gone.value.code == "response_not_found"
        with pytest.raises(openai.NotFoundError) as broken:
            await sdk.responses.create(model="chat", input="x", previous_response_id=first.id)
        assert broken.value.param == "previous_response_id"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_streamed_conversation(tmp_path: Path, dialect: str) -> None:
    async with (
        rig(tmp_path, Spoken(DIALECTS[dialect], dialect)) as rigged,
        client(rigged) as sdk,
    ):
        first = await sdk.responses.create(model="chat", input="Hello")
        async with sdk.responses.stream(
            model="chat", input="And?", previous_response_id=first.id
        ) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert final.id.startswith("resp_")
        found = await sdk.responses.retrieve(final.id)
        assert found.previous_response_id == first.id
        assert found.output_text == final.output_text == "Hello."


async def test_pages_of_input(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(speaks())) as rigged, client(rigged) as sdk:
        turns = [{"role": "user", "content": f"turn {at}"} for at in range(7)]
        made = await sdk.responses.create(model="chat", input=turns)  # type: ignore[arg-type]
        page = await sdk.responses.input_items.list(made.id, limit=3, order="asc")
        assert (len(page.data), page.has_more) == (3, True)
        seen = [item async for item in page]
        said = [item.to_dict()["content"] for item in seen]
        assert said == [[{"type": "input_text", "text": f"turn {at}"}] for at in range(7)]


async def test_background_and_cancel(tmp_path: Path) -> None:
    may = asyncio.Event()

    async def behave(talk: Talk) -> None:
        if b"slow" in talk.seen.body:
            await may.wait()
        await speaks()(talk)

    settings = Settings(allow_fields=("background",))
    async with rig(tmp_path, Spoken(behave), settings=settings) as rigged, client(rigged) as sdk:
        slow = await sdk.responses.create(model="chat", input="slow", background=True)
        assert slow.status == "queued"
        assert (await sdk.responses.cancel(slow.id)).status == "cancelled"
        assert (await sdk.responses.retrieve(slow.id)).status == "cancelled"
        quick = await sdk.responses.create(model="chat", input="quick", background=True)
        while (found := await sdk.responses.retrieve(quick.id)).status != "completed":
            assert found.status in ("queued", "in_progress")
            await asyncio.sleep(0.01)
        assert (found.output_text, found.background) == ("Hello.", True)
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.responses.cancel((await sdk.responses.create(model="chat", input="a")).id)
        assert refused.value.code == "not_cancellable"
        with pytest.raises(openai.BadRequestError) as unoffered:
            await sdk.responses.retrieve(quick.id, stream=True)
        assert unoffered.value.code == "stream_not_offered"


async def test_a_count_of_what_a_call_brings_and_continues(tmp_path: Path) -> None:
    answers = speaks()

    async def counts(talk: Talk) -> None:
        if "/input_tokens" in talk.seen.head:
            await talk.answer(b'{"object": "response.input_tokens", "input_tokens": 11}')
        else:
            await answers(talk)

    async with rig(tmp_path, Spoken(counts)) as rigged, client(rigged) as sdk:
        first = await sdk.responses.create(model="chat", input="How warm is it?")
        counted = await sdk.responses.input_tokens.count(
            model="chat", input="And tomorrow?", previous_response_id=first.id
        )
        assert (counted.object, counted.input_tokens) == ("response.input_tokens", 11)
        sent = rigged.upstreams[0].seen[-1]
        assert sent.head.startswith("POST /v1/responses/input_tokens ")
        assert sent.json.keys() == {"model", "input"}
        assert [item["role"] for item in sent.json["input"]] == ["user", "assistant", "user"]
        counted_record = rigged.running.books.ended[-1]
        assert (counted_record.operation, counted_record.cost_nano) == ("count_tokens", 0)
        assert len(rigged.upstreams[0].seen) == 2
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.input_tokens.count(
                model="chat", input="x", previous_response_id="resp_none"
            )


async def test_a_count_at_a_provider_that_counts_nothing_is_ours(tmp_path: Path) -> None:
    async with rig(tmp_path, Spoken(whole, "openai")) as rigged, client(rigged) as sdk:
        count = sdk.responses.input_tokens.with_raw_response.count
        short = await count(model="chat", input="Hi")
        assert short.headers["x-federation-estimated"] == "true"
        long = (await count(model="chat", input="Hi " * 100, instructions="Be brief.")).parse()
        assert 0 < short.parse().input_tokens < long.input_tokens
        assert rigged.upstreams[0].seen == []
        for path in ("/v1/responses/input_tokens", "/responses/input_tokens"):
            reply = await rigged.client.post(path, json={"model": "chat", "input": "Hi"})
            assert reply.json()["object"] == "response.input_tokens"
