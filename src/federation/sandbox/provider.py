"""A simulated provider: a request in, after a while an answer out, in its profile's dialect.

`SimulatedProvider` is a listener's handler. It raises from `errors`; its own `render_error`
puts those into its dialect's shape, so the server must be built with both.
"""

from __future__ import annotations

import asyncio
from random import Random
from urllib.parse import parse_qs

from federation.errors import (
    FederationError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from federation.sandbox import replies, script
from federation.sandbox.faults import RETRY_AFTER_S, SLOW_FACTOR, Fault, draw_fault, split_fault
from federation.sandbox.profiles import Profile
from federation.sandbox.streams import Sleep, TimedBody
from federation.sandbox.wording import Question, wording
from federation.schema.http import ClientReply, ClientRequest

_KEY_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")


class SimulatedProvider:
    """Answers for one profile.

    `random` draws the profile's faults; `time_scale` shortens (or stretches) every delay;
    `sleep` is the clock that delays obey. With a `secret`, every other credential is refused;
    without one, any is accepted.
    """

    def __init__(
        self,
        profile: Profile,
        random: Random,
        *,
        time_scale: float = 1.0,
        sleep: Sleep = asyncio.sleep,
        secret: str = "",
    ) -> None:
        self.profile = profile
        self._words = wording(profile.dialect)
        self._random = random
        self._time_scale = time_scale
        self._sleep = sleep
        self._secret = secret

    async def __call__(self, request: ClientRequest) -> ClientReply:
        """Answer one request; raises `FederationError` for whatever is not a 200."""
        if self._secret and not _presents(request, self._secret):
            raise Unauthorized("incorrect API key provided")
        question = self._words.question(request)
        if question is not None:
            return await self._chat(question)
        name = self._words.listing(request)
        if name is not None:
            return self._models(name, request)
        where = f"{request.method} {request.path}"
        raise NotFound(f"unknown request URL: {where}", code="unknown_url")

    def render_error(self, error: FederationError, path: str) -> ClientReply:
        """An error in the dialect's words, marked; also for what the listener itself refuses."""
        reply = self._words.error(error)
        if replies.SIMULATED not in reply.headers:
            reply.headers.append(replies.SIMULATED)
        return reply

    def _models(self, name: str, request: ClientRequest) -> ClientReply:
        if request.method != "GET":
            raise MethodNotAllowed(f"{request.path} takes GET")
        if name and self.profile.model(name) is None:
            raise replies.no_model(name)
        return replies.rendered(self._words.models(self.profile, name, request))

    async def _chat(self, question: Question) -> ClientReply:
        asked = question.asked
        name, wished = split_fault(asked.model)
        model = self.profile.model(name)
        if model is None:
            raise replies.no_model(asked.model)
        fault = wished or draw_fault(self.profile.faults, self._random)
        if fault in _REFUSALS:
            raise _refusal(fault)
        scale = self._time_scale * (SLOW_FACTOR if fault is Fault.SLOW else 1.0)
        answer = script.write(asked, model, time_scale=scale)
        mark = (b"x-request-id", f"req_{answer.id[12:]}".encode())
        if asked.stream:
            parts = question.parts(answer)
            body = TimedBody(parts, self._sleep, fault, question.garbled)
            return replies.streamed(body, question.kind, mark)
        longest = max(len(choice.pieces) for choice in answer.choices)
        wait = answer.first_s + longest * answer.token_s
        whole = question.whole(answer)
        if fault in (Fault.CUT, Fault.STALL, Fault.GARBLED):
            half = len(whole) // 2
            parts = [(wait, whole[:half])]
            if fault is not Fault.GARBLED:
                parts.append((0.0, whole[half:]))
            broken = None if fault is Fault.GARBLED else fault
            return replies.streamed(TimedBody(parts, self._sleep, broken), replies.JSON, mark)
        await self._sleep(wait)
        return replies.rendered(whole, mark)


def _presents(request: ClientRequest, secret: str) -> bool:
    headers = (request.headers.get(name, b"").decode("latin-1") for name in _KEY_HEADERS)
    shown = [header.removeprefix("Bearer ") for header in headers]
    return secret in shown or secret in parse_qs(request.query).get("key", [])


_REFUSALS = frozenset({Fault.ERROR, Fault.OVERLOADED, Fault.LIMITED, Fault.DENIED})


def _refusal(fault: Fault) -> FederationError:
    if fault is Fault.LIMITED:
        return RateLimited("rate limit reached, try again later", retry_after_s=RETRY_AFTER_S)
    if fault is Fault.DENIED:
        return Unauthorized("incorrect API key provided")
    if fault is Fault.OVERLOADED:
        return Unavailable("the engine is currently overloaded", code="overloaded")
    return FederationError("the server had an error while processing your request")
