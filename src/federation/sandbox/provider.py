"""A simulated provider: a request in, after a while an answer out.

`SimulatedProvider` is a listener's handler. It raises from `errors`; `replies.render_error`
puts those into OpenAI's shape, so the server must be built with both.
"""

from __future__ import annotations

import asyncio
from random import Random

from federation.errors import (
    FederationError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from federation.sandbox import asking, replies, script
from federation.sandbox.faults import RETRY_AFTER_S, SLOW_FACTOR, Fault, draw_fault, split_fault
from federation.sandbox.profiles import Profile
from federation.sandbox.streams import Sleep, TimedBody, events
from federation.schema.http import ClientReply, ClientRequest

_CHAT = "/v1/chat/completions"
_MODELS = "/v1/models"


class SimulatedProvider:
    """Answers for one profile. Any credential is accepted.

    `random` draws the profile's faults; `time_scale` shortens (or stretches) every delay;
    `sleep` is the clock that delays obey.
    """

    def __init__(
        self,
        profile: Profile,
        random: Random,
        *,
        time_scale: float = 1.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.profile = profile
        self._random = random
        self._time_scale = time_scale
        self._sleep = sleep

    async def __call__(self, request: ClientRequest) -> ClientReply:
        """Answer one request; raises `FederationError` for whatever is not a 200."""
        path = request.path
        if path == _CHAT:
            if request.method != "POST":
                raise MethodNotAllowed(f"{path} takes POST")
            return await self._chat(request.body)
        if path == _MODELS or path.startswith(f"{_MODELS}/"):
            if request.method != "GET":
                raise MethodNotAllowed(f"{path} takes GET")
            return self._models(path.removeprefix(_MODELS).strip("/"))
        raise NotFound(f"unknown request URL: {request.method} {path}", code="unknown_url")

    def _models(self, name: str) -> ClientReply:
        if not name:
            return replies.reply(200, replies.model_list(self.profile))
        if self.profile.model(name) is None:
            raise _no_model(name)
        return replies.reply(200, replies.model_object(self.profile, name))

    async def _chat(self, body: bytes) -> ClientReply:
        asked = asking.read(body)
        name, wished = split_fault(asked.model)
        model = self.profile.model(name)
        if model is None:
            raise _no_model(asked.model)
        fault = wished or draw_fault(self.profile.faults, self._random)
        if fault in _REFUSALS:
            raise _refusal(fault)
        scale = self._time_scale * (SLOW_FACTOR if fault is Fault.SLOW else 1.0)
        answer = script.write(asked, model, time_scale=scale)
        mark = (b"x-request-id", f"req_{answer.id[12:]}".encode())
        if asked.stream:
            return replies.streamed(TimedBody(list(events(answer)), self._sleep, fault), mark)
        longest = max(len(choice.pieces) for choice in answer.choices)
        wait = answer.first_s + longest * answer.token_s
        whole = replies.reply(200, replies.completion(answer), mark)
        assert isinstance(whole.body, bytes)  # noqa: S101  `reply` always renders bytes
        if fault in (Fault.CUT, Fault.STALL, Fault.GARBLED):
            half = len(whole.body) // 2
            parts = [(wait, whole.body[:half])]
            if fault is not Fault.GARBLED:
                parts.append((0.0, whole.body[half:]))
            broken = None if fault is Fault.GARBLED else fault
            return replies.streamed(TimedBody(parts, self._sleep, broken), mark, sse=False)
        await self._sleep(wait)
        return whole


_REFUSALS = frozenset({Fault.ERROR, Fault.OVERLOADED, Fault.LIMITED, Fault.DENIED})


def _refusal(fault: Fault) -> FederationError:
    if fault is Fault.LIMITED:
        return RateLimited("rate limit reached, try again later", retry_after_s=RETRY_AFTER_S)
    if fault is Fault.DENIED:
        return Unauthorized("incorrect API key provided")
    if fault is Fault.OVERLOADED:
        return Unavailable("the engine is currently overloaded", code="overloaded")
    return FederationError("the server had an error while processing your request")


def _no_model(name: str) -> NotFound:
    return NotFound(
        f"the model '{name}' does not exist or you have no access to it",
        param="model",
        code="model_not_found",
    )
