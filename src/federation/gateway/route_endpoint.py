"""`POST /v1/route`: decide and run a call, or with `dry_run` decide and explain alone.

The body is turned into a chat call, so that a decision explained here is the decision
that the chat endpoint would make.
"""

from __future__ import annotations

from typing import Any

import msgspec

from federation.dialects.ask import with_lists
from federation.dialects.openai.answers import text_of
from federation.dialects.tokenizer import layout, wrong_type
from federation.domain.access import VirtualKey
from federation.domain.money import nano_to_usd
from federation.errors import InvalidRequest
from federation.gateway.call import Call, Handler
from federation.gateway.chat import Chat
from federation.gateway.deciding import decide_call
from federation.gateway.reply import reason
from federation.gateway.stages.admit import admitted
from federation.gateway.world import World
from federation.routing.explain import confidence, explain
from federation.schema.glance import Constraints
from federation.schema.http import ClientReply, ClientRequest

_CHAT_PATH = "/v1/chat/completions"
JSON = (b"content-type", b"application/json")


class RouteBody(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a client asks of the router; `prompt` or `messages`, not both."""

    prompt: str | None = None
    messages: list[dict[str, Any]] | None = None
    system_prompt: str | None = None
    model: str | None = None
    strategy: str | None = None
    constraints: Constraints = Constraints()
    max_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    stream: bool = False
    privacy: str | None = None
    data_classes: tuple[str, ...] | None = None
    dry_run: bool = False


class RouteEndpoint:
    """One for each worker."""

    def __init__(self, world: World, chat: Chat) -> None:
        """`chat` has `Summary` among its stages."""
        self._world = world
        self._chat = chat

    async def __call__(self, request: ClientRequest, key: VirtualKey) -> ClientReply:
        """The explanation of a dry run, the answer's summary, or the answer's stream."""
        body = _parse(request.body)
        inner = ClientRequest(
            *("POST", _CHAT_PATH, "", request.headers, chat_body(body), request.peer),
            sent=request.body,
        )
        if body.dry_run:
            return self._explain(await self._chat.read(inner, key))
        return await self._chat.run(await self._chat.read(inner, key))

    def _explain(self, call: Call) -> ClientReply:
        world = self._world
        situation = world.current()
        call = admitted(situation, call, world.money)
        verdict = decide_call(world, situation, call, world.memory.aside())
        told = explain(verdict, world.memory.classify)
        ruled = call.account.ruled
        if ruled is not None:
            told |= ruled.governance(verdict.target.mask)
        return ClientReply(200, [JSON], msgspec.json.encode(told))


class Summary:
    """The stage that makes a summary of a whole answer. It stands within the recorder, for the
    summary is what the client gets."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __call__(self, call: Call, following: Handler[Call]) -> ClientReply:
        """Pass the call on; a stream comes back as it is."""
        reply = await following(call)
        if not isinstance(reply.body, bytes):
            return reply
        kept = [pair for pair in reply.headers if pair[0] != JSON[0]]
        return ClientReply(reply.status, [JSON, *kept], self._summary(call, reply.body))

    def _summary(self, call: Call, body: bytes) -> bytes:
        account = call.account
        usage = account.usage()
        cost = account.cost_nano()
        provider, _, model = account.deployment.partition("/")
        decision = account.decision
        summary: dict[str, Any] = {
            "call_id": call.id,
            "provider": provider,
            "model": model,
            "content": text_of(body),
            "cost": None if cost is None else msgspec.Raw(f"{nano_to_usd(cost):f}".encode()),
            "latency_ms": round((self._world.clock() - call.started) * 1000.0, 1),
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "confidence": confidence(decision) if decision is not None else 0.0,
            "reasoning": reason(call),
            "simulated": account.simulated,
        }
        return msgspec.json.encode(summary)


def _parse(body: bytes) -> RouteBody:
    found, _, _ = layout(body)
    raw = msgspec.Raw(body)
    if "constraints" in found:
        raw = with_lists(raw, found, "constraints")
    try:
        asked = msgspec.json.decode(raw, type=RouteBody)
    except msgspec.ValidationError as error:
        raise _wrong(error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The body is not a route request: {error}.") from None
    if (asked.prompt is None) == (asked.messages is None):
        raise InvalidRequest("Give either 'prompt' or 'messages'.", param="prompt")
    return asked


def _wrong(error: msgspec.ValidationError) -> InvalidRequest:
    found = wrong_type(error, "")
    return found if found.param else InvalidRequest(f"The body is not a route request: {error}.")


def chat_body(asked: RouteBody) -> bytes:
    """The chat call that a route request stands for."""
    messages: list[dict[str, Any]] = []
    if asked.system_prompt is not None:
        messages.append({"role": "system", "content": asked.system_prompt})
    if asked.messages is not None:
        messages += asked.messages
    else:
        messages.append({"role": "user", "content": asked.prompt})
    ask: dict[str, Any] = {}
    if asked.strategy is not None:
        ask["strategy"] = asked.strategy
    if asked.constraints != Constraints():
        ask["constraints"] = asked.constraints
    if asked.privacy is not None:
        ask["privacy"] = asked.privacy
    if asked.data_classes is not None:
        ask["data_classes"] = asked.data_classes
    body: dict[str, Any] = {"model": asked.model or "auto", "messages": messages}
    if ask:
        body["federation"] = ask
    if asked.max_tokens is not None:
        body["max_tokens"] = asked.max_tokens
    if asked.tools is not None:
        body["tools"] = asked.tools
    if asked.stream:
        body["stream"] = True
    return msgspec.json.encode(body)
