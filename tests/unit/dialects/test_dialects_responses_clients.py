"""The official client, unmodified, against a loopback server that answers with our bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel
from responses_world import call, upstream

from federation.dialects.openai_responses import state
from federation.dialects.openai_responses.client import CLIENT
from federation.dialects.openai_responses.listing import input_items, read_page
from federation.errors import InvalidRequest, UpstreamCut
from federation.schema.chat import LENGTH, STOP, TOOL_CALLS, ChatRequest, ChatResponse, Choice
from federation.schema.chunks import Begun, Chunk, Finished, PartBegun, PartEnded, UsageSeen
from federation.schema.parts import CUSTOM, Citation, Part, Text, Thinking, ToolCall
from federation.schema.usage import Usage

Answer = Callable[[ChatRequest], tuple[tuple[Part, ...], str]]
USAGE = Usage(11, 7, 4, 0, 3)
EVENTS = b"text/event-stream"


class Server:
    """Speaks just enough HTTP for the client; each call is read and answered by our face."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[ChatRequest] = []
        self.kept: dict[str, state.Stored] = {}
        self.breaks = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            size = [line for line in head.lower().split(b"\r\n") if b"content-length" in line]
            body = await reader.readexactly(int(size[0].split(b":")[1])) if size else b""
            status, kind, reply = self.reply(method, target, body)
            writer.write(
                b"HTTP/1.1 %d OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n" % (status, kind, len(reply))
            )
            # Small pieces, so that events are cut anywhere.
            for at in range(0, len(reply), 97):
                writer.write(reply[at : at + 97])
            await writer.drain()
        finally:
            writer.close()

    def reply(self, method: str, target: str, body: bytes) -> tuple[int, bytes, bytes]:
        path, _, query = target.partition("?")
        steps = path.split("/")
        if method == "POST" and len(steps) == 3:
            try:
                return self.create(body)
            except InvalidRequest as error:
                refused = CLIENT.render_error(error, "call-1")
                assert isinstance(refused.body, bytes)
                return refused.status, b"application/json", refused.body
        found = self.kept[steps[3]]
        if method == "DELETE":
            del self.kept[found.id]
            return 200, b"application/json", state.deleted(found.id)
        if steps[-1] == "input_items":
            return 200, b"application/json", input_items(found.input, read_page(query))
        return 200, b"application/json", state.retrieved(found)

    def create(self, body: bytes) -> tuple[int, bytes, bytes]:
        request = call(body)
        seen = CLIENT.glance(request)
        before = state.previous_of(seen, body)
        if before:
            whole = state.with_items(seen, body, state.conversation([self.kept[before]]))
            request = call(whole)
            seen = CLIENT.glance(request)
        asked = CLIENT.parse(request, seen)
        self.calls.append(asked)
        parts, finish = self.answer(asked)
        identity = f"resp_{len(self.calls)}"
        response = ChatResponse("x", identity, "m-1", (Choice(0, parts, finish),), 5, USAGE)
        shown = state.answering(asked, before)
        whole_answer = CLIENT.render(response, shown)
        seen_first = CLIENT.glance(call(body))
        self.kept[identity] = state.stored(seen_first, body, whole_answer, identity)
        if not seen.stream:
            return 200, b"application/json", whole_answer
        renderer = CLIENT.renderer(shown)
        chunks: list[Chunk] = [Begun(identity, "m-1", 5)]
        for number, part in enumerate(parts):
            chunks += [PartBegun(0, number, part), PartEnded(0, number)]
        if self.breaks:
            return 200, EVENTS, renderer.render(chunks) + renderer.fail(UpstreamCut("Broke off."))
        chunks += [UsageSeen(USAGE), Finished(0, finish)]
        return 200, EVENTS, renderer.render(chunks) + renderer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[Server, AsyncOpenAI]]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    client = AsyncOpenAI(api_key="k", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
    try:
        yield server, client
    finally:
        await client.close()
        listener.close()
        await listener.wait_closed()


class Place(BaseModel):
    """What the structured answer is read into."""

    name: str
    height_m: int


PLACE = '{"name":"Cusco","height_m":3399}'
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
PARTS = (
    Thinking("Lima lies by the sea.", sealed="fed1sealAAAA"),
    Text("About ", (Citation("Peru", "https://peru.test", start=0, end=5),)),
    Text("19 degrees 🙂."),
    ToolCall("call_1", "weather", '{"city":"Lima"}'),
    ToolCall("call_2", "calc", "9 + 10", CUSTOM),
)


async def test_a_whole_answer_is_read_by_the_official_client() -> None:
    async with serving(lambda _: (PARTS, TOOL_CALLS)) as (server, client):
        response = await client.responses.create(
            model="chat",
            instructions="Be kind.",
            input=[{"role": "user", "content": "How warm is Lima?"}],
            tools=[TOOL, {"type": "custom", "name": "calc"}],
            reasoning={"effort": "low", "summary": "auto"},
            include=["reasoning.encrypted_content"],
        )
    assert (response.id, response.status) == ("resp_1", "completed")
    assert response.output_text == "About 19 degrees 🙂."
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
    ]
    assert response.usage is not None
    assert response.usage.input_tokens_details.cached_tokens == 4
    assert response.usage.output_tokens_details.reasoning_tokens == 3
    assert server.calls[0].messages[0].role == "system"


async def test_a_stream_is_read_by_the_official_client() -> None:
    async with serving(lambda _: (PARTS, TOOL_CALLS)) as (_, client):
        stream = await client.responses.create(model="chat", input="Hi", stream=True)
        events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == "About 19 degrees 🙂."


async def test_the_stream_helper_gathers_the_same_answer() -> None:
    async with (
        serving(lambda _: (PARTS, TOOL_CALLS)) as (_, client),
        client.responses.stream(model="chat", input="Hi", tools=[TOOL]) as stream,
    ):
        words = [
            event.delta async for event in stream if event.type == "response.output_text.delta"
        ]
        final = await stream.get_final_response()
    assert "".join(words) == final.output_text == "About 19 degrees 🙂."
    calls = [item for item in final.output if item.type == "function_call"]
    assert calls[0].parsed_arguments == {"city": "Lima"}


async def test_a_structured_answer_is_parsed_whole_and_streamed() -> None:
    async with serving(lambda _: ((Text(PLACE),), STOP)) as (server, client):
        whole = await client.responses.parse(model="chat", input="Name one.", text_format=Place)
        async with client.responses.stream(
            model="chat", input="Name one.", text_format=Place
        ) as stream:
            streamed = await stream.get_final_response()
    wanted = Place(name="Cusco", height_m=3399)
    assert whole.output_parsed == streamed.output_parsed == wanted
    form = server.calls[0].format
    assert form is not None
    assert (form.kind, form.name, form.strict) == ("schema", "Place", True)


async def test_a_turn_goes_on_with_the_outputs_of_the_last() -> None:
    def answer(request: ChatRequest) -> tuple[tuple[Part, ...], str]:
        if request.messages[-1].role == "tool":
            return (Text("It is 19."),), STOP
        return PARTS, TOOL_CALLS

    async with serving(answer) as (server, client):
        items: list[Any] = [{"role": "user", "content": "How warm is Lima?"}]
        first = await client.responses.create(model="chat", input=items, tools=[TOOL], store=False)
        items += first.output
        items += [
            {"type": "function_call_output", "call_id": "call_1", "output": "19"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "19"},
        ]
        second = await client.responses.create(model="chat", input=items, tools=[TOOL])
    assert second.output_text == "It is 19."
    _, said, results = server.calls[1].messages
    kinds = [type(part).__name__ for part in said.parts]
    assert kinds == ["Thinking", "Text", "Text", "ToolCall", "ToolCall"]
    assert said.parts[0] == Thinking("Lima lies by the sea.", sealed="fed1sealAAAA", id="rs_1_0")
    assert [part.call_id for part in results.parts if hasattr(part, "call_id")] == [
        "call_1",
        "call_2",
    ]
    again = json.loads(upstream().encode(server.calls[1]).request.body)
    assert [item.get("type", "message") for item in again["input"]] == [
        "message",
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "custom_tool_call_output",
    ]


async def test_a_conversation_that_is_stored_goes_on_by_its_id() -> None:
    async with serving(lambda _: ((Text("Yes."),), STOP)) as (server, client):
        first = await client.responses.create(model="chat", input="Is it warm?")
        second = await client.responses.create(
            model="chat", input="Still?", previous_response_id=first.id
        )
        assert second.previous_response_id == first.id
        shown = await client.responses.retrieve(second.id)
        assert shown.output_text == "Yes."
        page = await client.responses.input_items.list(second.id, limit=1, order="asc")
        items = [item async for item in page]
        await client.responses.delete(first.id)
    assert [message.role for message in server.calls[1].messages] == ["user", "assistant", "user"]
    assert [item.type for item in items] == ["message"]
    assert list(server.kept) == ["resp_2"]


async def test_an_answer_that_was_cut_is_incomplete_to_the_client() -> None:
    async with serving(lambda _: ((Text("Once"),), LENGTH)) as (_, client):
        whole = await client.responses.create(model="chat", input="Hi", max_output_tokens=16)
        stream = await client.responses.create(model="chat", input="Hi", stream=True)
        events = [event async for event in stream]
    assert whole.status == "incomplete"
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert events[-1].type == "response.incomplete"


async def test_a_broken_stream_does_not_look_complete_to_the_client() -> None:
    async with serving(lambda _: ((Text("Once"),), STOP)) as (server, client):
        server.breaks = True
        stream = await client.responses.create(model="chat", input="Hi", stream=True)
        kinds = [event.type async for event in stream]
        assert kinds[-2:] == ["error", "response.failed"]
        async with client.responses.stream(model="chat", input="Hi") as helper:
            with pytest.raises(RuntimeError):
                await helper.get_final_response()


async def test_a_refused_call_raises_the_client_s_own_error() -> None:
    async with serving(lambda _: ((), STOP)) as (_, client):
        bad: Any = [{"role": "robot", "content": "Hi"}]
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model="chat", input=bad)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "input[0].role")
