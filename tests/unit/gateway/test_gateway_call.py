"""Call ids, the account of a call, and the order of stages."""

from __future__ import annotations

from collections.abc import Awaitable
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import deployment, model, provider

from federation.gateway.call import Account, Call, CallIds, Handler, Stage, compose
from federation.schema.glance import Answer
from federation.schema.http import ClientReply
from federation.schema.records import AttemptRecord
from federation.schema.usage import Usage


def test_call_ids_are_unique_and_in_order() -> None:
    ids = CallIds()
    made = [ids.next() for _ in range(20_000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)


def test_call_ids_stay_in_order_where_the_clock_stands_still_or_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([10**18, 10**18, 10**18 - 5, 10**18 + 9])
    clock = SimpleNamespace(time_ns=lambda: next(times))
    monkeypatch.setattr("federation.gateway.call.time", clock)
    ids = CallIds()
    made = [ids.next() for _ in range(4)]
    assert made == sorted(set(made))


def test_a_call_id_is_plain_text_that_fits_a_header() -> None:
    made = CallIds().next()
    assert made.startswith("call_")
    assert made.replace("_", "").isalnum()
    assert len(made) < 64


def answer(status: int = 200) -> ClientReply:
    return ClientReply(status, [], b"")


CALL = cast("Call", object())


async def test_the_first_stage_is_the_outermost() -> None:
    seen: list[str] = []

    def stage(name: str) -> Stage[Call]:
        async def pass_on(call: Call, following: Handler[Call]) -> ClientReply:
            seen.append(f"{name} in")
            reply = await following(call)
            seen.append(f"{name} out")
            return reply

        return pass_on

    async def dispatch(call: Call) -> ClientReply:
        assert call is CALL
        seen.append("dispatch")
        return answer()

    handler = compose((stage("a"), stage("b"), stage("c")), dispatch)
    assert (await handler(CALL)).status == 200
    assert seen == ["a in", "b in", "c in", "dispatch", "c out", "b out", "a out"]


async def test_a_stage_may_answer_itself_change_the_call_or_raise() -> None:
    other = cast("Call", object())

    async def changes(call: Call, following: Handler[Call]) -> ClientReply:
        return await following(other)

    async def answers(call: Call, following: Handler[Call]) -> ClientReply:
        assert call is other
        return answer(204)

    async def raises(call: Call, following: Handler[Call]) -> ClientReply:
        raise LookupError

    def never(call: Call) -> Awaitable[ClientReply]:
        raise AssertionError

    assert (await compose((changes, answers, raises), never)(CALL)).status == 204
    with pytest.raises(LookupError):
        await compose((changes, raises), never)(CALL)


async def test_without_stages_the_dispatcher_stands_alone() -> None:
    async def dispatch(call: Call) -> ClientReply:
        return answer()

    assert compose((), dispatch) is dispatch


def attempt(cost: int | None, usage: Usage | None = None) -> AttemptRecord:
    return AttemptRecord("p/m", 0, cost_nano=cost, usage=usage or Usage())


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 2**62)), max_size=6))
def test_the_cost_of_a_call_is_exact_or_unknown(costs: list[int | None]) -> None:
    account = Account()
    account.attempts += [attempt(cost) for cost in costs]
    known = [cost for cost in costs if cost is not None]
    assert account.cost_nano() == (sum(known) if len(known) == len(costs) else None)


def test_the_usage_of_a_call_is_that_of_the_attempt_that_answered() -> None:
    account = Account()
    assert account.usage() == Usage()
    account.attempts += [attempt(0, Usage(1, 1)), attempt(0, Usage(7, 9))]
    assert account.usage() == Usage(7, 9)
    account.deployment = "p/m"
    account.attempts.append(AttemptRecord("q/m", 0, usage=Usage(2, 2)))
    assert account.usage() == Usage(7, 9), "the last that p/m made, and not who was asked beside it"
    account.mended = True
    assert account.usage() == Usage(10, 12)


def test_the_account_names_the_deployment_that_was_asked_last() -> None:
    account = Account()
    row = deployment(provider("p", "http://127.0.0.1:1/v1"), model("m"))
    other = deployment(provider("q", "http://127.0.0.1:1/v1", simulated=True), model("m"))
    account.choose(row)
    account.choose(other)
    assert (account.tried, account.deployment, account.simulated) == (2, "q/m", True)
    account.hear(Answer("m-2026", "stop"))
    assert (account.response_model, account.finish) == ("m-2026", "stop")
