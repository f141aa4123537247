"""A worker's tokens: one fetch at a time, kept, renewed in time, and never hammered for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from federation.credentials.endpoint import read_token
from federation.credentials.plans import ByToken, PerRequest, Signature, Token, TokenSpec
from federation.errors import (
    InvalidRequest,
    UpstreamDenied,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOversized,
)
from federation.gateway.tokens import FAILED_S, MARGIN_S, REFUSED_S, YOUNG_S, Tokens
from federation.ports import Exchange
from federation.schema.http import Headers, Origin, Timeouts, WireRequest

ORIGIN = Origin("https", "token.test", 443)
SECRET = "client-secret-1"


class Answer:
    """An exchange with a whole body."""

    open = False

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Headers = {}
        self._body = body
        self.closed = 0

    async def read(self) -> bytes:
        raise AssertionError("the body is read in whole")

    async def body(self, limit: int) -> bytes:
        return self._body

    async def aclose(self) -> None:
        self.closed += 1

    def take(self) -> bytes:
        raise AssertionError("the body is read in whole")

    def watch(self, arrived: Callable[[bytes], None] | None, whole: object = None) -> bool:
        raise AssertionError("the body is read in whole")

    def release(self) -> None:
        raise AssertionError("an exchange is closed")


@dataclass
class Endpoint:
    """A transport that is one token endpoint, with clocks that the test moves."""

    now: float = 1_000_000.0
    lifetime_s: float = 1_000.0
    status: int = 200
    error: Exception | None = None
    asked: list[WireRequest] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    gate: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.tokens = Tokens(self, clock=lambda: self.now, wall=lambda: self.now)

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Exchange:
        self.asked.append(request)
        number = len(self.asked)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        body = b'{"access_token": "tok-%d", "expires_in": %d}' % (number, self.lifetime_s)
        self.answers.append(Answer(self.status, body))
        return self.answers[-1]


def a_spec(key: str = "k1", base: TokenSpec | None = None) -> TokenSpec:
    def request(at: datetime, token: str) -> WireRequest:
        return WireRequest("POST", ORIGIN, f"/{key}/{token}", (), SECRET.encode())

    return TokenSpec(key, request, read_token, base)


SPEC = a_spec()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_token_is_fetched_once_and_kept() -> None:
    endpoint = Endpoint()
    assert [await endpoint.tokens.get(SPEC) for _ in range(3)] == ["tok-1"] * 3
    assert len(endpoint.asked) == 1
    assert endpoint.answers[0].closed == 1


async def test_tokens_of_different_keys_are_apart_and_equal_keys_are_one() -> None:
    endpoint = Endpoint()
    assert await endpoint.tokens.get(a_spec("a")) == "tok-1"
    assert await endpoint.tokens.get(a_spec("b")) == "tok-2"
    assert await endpoint.tokens.get(a_spec("a")) == "tok-1"


async def test_a_crowd_waits_for_one_fetch() -> None:
    endpoint = Endpoint(gate=asyncio.Event())
    assert endpoint.gate is not None
    waiting = [asyncio.ensure_future(endpoint.tokens.get(SPEC)) for _ in range(50)]
    await settle()
    endpoint.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"tok-1"}
    assert len(endpoint.asked) == 1


async def test_the_others_get_their_token_where_the_first_is_canceled() -> None:
    endpoint = Endpoint(gate=asyncio.Event())
    assert endpoint.gate is not None
    first, *others = [asyncio.ensure_future(endpoint.tokens.get(SPEC)) for _ in range(3)]
    await settle()
    first.cancel()
    await settle()
    endpoint.gate.set()
    assert await asyncio.gather(*others) == ["tok-1", "tok-1"]
    assert first.cancelled()
    assert len(endpoint.asked) == 1


async def test_a_fetch_goes_on_where_everybody_is_canceled() -> None:
    endpoint = Endpoint(gate=asyncio.Event())
    assert endpoint.gate is not None
    only = asyncio.ensure_future(endpoint.tokens.get(SPEC))
    await settle()
    only.cancel()
    endpoint.gate.set()
    await settle()
    assert await endpoint.tokens.get(SPEC) == "tok-1"
    assert len(endpoint.asked) == 1


async def test_a_token_is_renewed_beside_the_calls_after_most_of_its_life() -> None:
    endpoint = Endpoint()
    await endpoint.tokens.get(SPEC)
    endpoint.now += 799
    assert await endpoint.tokens.get(SPEC) == "tok-1"
    await settle()
    assert len(endpoint.asked) == 1
    endpoint.now += 2
    endpoint.gate = asyncio.Event()
    assert [await endpoint.tokens.get(SPEC) for _ in range(5)] == ["tok-1"] * 5
    await settle()
    assert len(endpoint.asked) == 2
    endpoint.gate.set()
    await settle()
    assert await endpoint.tokens.get(SPEC) == "tok-2"


async def test_a_token_near_its_end_is_waited_for() -> None:
    endpoint = Endpoint()
    await endpoint.tokens.get(SPEC)
    endpoint.now += 1_000 - MARGIN_S
    assert await endpoint.tokens.get(SPEC) == "tok-2"


async def test_a_token_that_hardly_lives_is_used_all_the_same() -> None:
    endpoint = Endpoint(lifetime_s=5)
    assert await endpoint.tokens.get(SPEC) == "tok-1"
    assert await endpoint.tokens.get(SPEC) == "tok-2"


async def test_a_renewal_that_fails_leaves_the_old_token_and_is_not_repeated_at_once() -> None:
    endpoint = Endpoint()
    await endpoint.tokens.get(SPEC)
    endpoint.now += 850
    endpoint.status = 500
    for _ in range(5):
        assert await endpoint.tokens.get(SPEC) == "tok-1"
        await settle()
    assert len(endpoint.asked) == 2
    endpoint.now += FAILED_S
    endpoint.status = 200
    assert await endpoint.tokens.get(SPEC) == "tok-1"
    await settle()
    assert await endpoint.tokens.get(SPEC) == "tok-3"


@pytest.mark.parametrize(
    ("status", "kind", "quiet_s"),
    [(401, UpstreamDenied, REFUSED_S), (503, UpstreamFailed, FAILED_S)],
)
async def test_a_failure_is_remembered_for_a_moment(
    status: int, kind: type[UpstreamError], quiet_s: float
) -> None:
    endpoint = Endpoint(status=status)
    errors = []
    for _ in range(4):
        with pytest.raises(kind) as caught:
            await endpoint.tokens.get(SPEC)
        errors.append(caught.value)
    assert len(endpoint.asked) == 1
    assert len({id(error) for error in errors}) == 4
    assert {error.upstream_status for error in errors} == {status}
    endpoint.now += quiet_s - 0.1
    with pytest.raises(kind):
        await endpoint.tokens.get(SPEC)
    endpoint.now += 0.2
    endpoint.status = 200
    assert await endpoint.tokens.get(SPEC) == "tok-2"


async def test_a_crowd_gets_its_own_copies_of_one_failure() -> None:
    endpoint = Endpoint(status=401)
    found = await asyncio.gather(
        *(endpoint.tokens.get(SPEC) for _ in range(9)), return_exceptions=True
    )
    assert all(type(error) is UpstreamDenied for error in found)
    assert len({id(error) for error in found}) == 9
    assert len(endpoint.asked) == 1


async def test_what_the_transport_raises_is_never_the_callers_fault() -> None:
    endpoint = Endpoint(error=InvalidRequest("a header's value holds a line break"))
    with pytest.raises(UpstreamFailed, match="No token could be fetched"):
        await endpoint.tokens.get(SPEC)
    endpoint = Endpoint(error=UpstreamGarbled("x"))
    with pytest.raises(UpstreamGarbled):
        await endpoint.tokens.get(SPEC)


@pytest.mark.parametrize(("status", "kind"), [(200, UpstreamGarbled), (401, UpstreamDenied)])
async def test_an_answer_of_too_many_bytes_is_the_endpoints_fault(
    status: int, kind: type[UpstreamError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_long(answer: Answer, limit: int) -> bytes:
        raise UpstreamOversized("x")

    monkeypatch.setattr(Answer, "body", too_long)
    endpoint = Endpoint(status=status)
    with pytest.raises(kind):
        await endpoint.tokens.get(SPEC)
    assert endpoint.answers[0].closed == 1


async def test_a_bug_reaches_the_callers_and_the_log(caplog: pytest.LogCaptureFixture) -> None:
    endpoint = Endpoint(error=KeyError("bug"))
    with pytest.raises(KeyError):
        await endpoint.tokens.get(SPEC)
    await settle()
    assert "could not be fetched" in caplog.text
    endpoint.error = None
    assert await endpoint.tokens.get(SPEC) == "tok-2"


async def test_a_refused_token_is_dropped_once_and_not_when_it_is_new() -> None:
    endpoint = Endpoint()
    assert not endpoint.tokens.forget(SPEC)
    await endpoint.tokens.get(SPEC)
    assert not endpoint.tokens.forget(SPEC)
    endpoint.now += YOUNG_S
    assert endpoint.tokens.forget(SPEC)
    assert not endpoint.tokens.forget(SPEC)
    assert await endpoint.tokens.get(SPEC) == "tok-2"
    assert not any(endpoint.tokens.forget(SPEC) for _ in range(100))
    assert await endpoint.tokens.get(SPEC) == "tok-2"


async def test_a_token_may_need_another_first() -> None:
    endpoint = Endpoint()
    base = a_spec("base")
    spec = a_spec("top", base)
    assert await endpoint.tokens.get(spec) == "tok-2"
    assert [request.target for request in endpoint.asked] == ["/base/", "/top/tok-1"]
    endpoint.now += 500
    assert endpoint.tokens.forget(spec)
    await endpoint.tokens.get(spec)
    assert [request.target for request in endpoint.asked][2:] == ["/base/", "/top/tok-3"]


async def test_a_base_that_is_refused_fails_what_is_built_on_it() -> None:
    endpoint = Endpoint(status=401)
    spec = a_spec("top", a_spec("base"))
    for _ in range(3):
        with pytest.raises(UpstreamDenied):
            await endpoint.tokens.get(spec)
    assert len(endpoint.asked) == 1


async def test_a_plan_is_carried_out() -> None:
    endpoint = Endpoint()
    request = WireRequest("POST", ORIGIN, "/x", ((b"a", b"b"),), b"body")
    assert await endpoint.tokens.sign(Signature(), request) is request
    by_token = ByToken(SPEC, lambda token: ((b"authorization", b"Bearer " + token.encode()),))
    signed = await endpoint.tokens.sign(by_token, request)
    assert signed.headers == ((b"a", b"b"), (b"authorization", b"Bearer tok-1"))
    assert signed.body == b"body"

    def sign(request: WireRequest, at: datetime) -> WireRequest:
        assert at.tzinfo is not None
        return WireRequest("POST", ORIGIN, f"/{at.timestamp():.0f}", ())

    assert (await endpoint.tokens.sign(PerRequest(sign), request)).target == "/1000000"


async def test_closing_stops_what_is_under_way() -> None:
    endpoint = Endpoint(gate=asyncio.Event())
    waiting = asyncio.ensure_future(endpoint.tokens.get(SPEC))
    await settle()
    await endpoint.tokens.aclose()
    await endpoint.tokens.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_tokens_that_are_over_make_room() -> None:
    endpoint = Endpoint()
    for number in range(1_030):
        await endpoint.tokens.get(a_spec(str(number)))
        endpoint.now += 1
    assert len(endpoint.tokens._held) <= 1_024


async def test_neither_token_nor_secret_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint()
    token = await endpoint.tokens.get(SPEC)
    endpoint.now += 5_000
    endpoint.status = 403
    with pytest.raises(UpstreamDenied):
        await endpoint.tokens.get(SPEC)
    text = caplog.text + repr([record.__dict__ for record in caplog.records])
    assert "no token" in text
    assert token not in text
    assert SECRET not in text
    assert token not in repr(endpoint.tokens._held)
    assert token not in repr(Token(token, 0.0))
