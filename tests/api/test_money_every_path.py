"""Every path that reaches a provider leaves its line, and pays what the line says.

The table has a call for each path that the gateway serves; one that is added without a call, or
that spends without being reserved and written down, fails here.
"""

from __future__ import annotations

from typing import Any

import pytest
from every_path import BODIES, OTHERS, RULES, answers_all, post
from gateway_rig import eventually, status
from guard_rig import OPERATIONS
from money_bank import bank
from operations_rig import PER_TOKEN, Place, offers, places
from scripted import Behave

from federation.dialects.operations.table import CLIENT_PATHS
from federation.domain.budgets import Budget, Scope
from federation.domain.catalogue import Price, Rates
from federation.domain.routes import Route, Settings, Spending, Target
from federation.gateway.paths import CHATS, count_dialect

EVERY = BODIES | OTHERS
COUNTING = {path for path in EVERY if count_dialect(path)}
"""Paths that only count tokens, which nobody bills."""
PASSAGES = {path for path in EVERY if path.startswith("/passthrough/")}
"""They are asked of one provider, once."""
PRICE = Price(
    Rates(input=PER_TOKEN, output=PER_TOKEN),
    units={"image": 40_000_000, "second": 100_000, "character": 15_000, "request": 7},
)
SETTINGS = Settings(passthrough=("p0",), spending=Spending(wait_s=0.2))
BUDGET = Budget("b", "default", Scope.TENANT, "default", 10**12)


def place(behave: Behave) -> Place:
    offered = offers("chat", *OPERATIONS, name="acme-large", price=PRICE, max_output=100,
                     input_modalities=("text", "image", "audio"))  # fmt: skip
    return Place(behave, offered, quirks={"passthrough": RULES})


def paying(*behaviors: Behave) -> Any:
    """A gateway whose route `chat` has one such provider for each behavior, in order."""
    targets = tuple(Target(f"p{at}/acme-large") for at in range(len(behaviors)))
    chat = Route("chat", "priority", targets)
    return places(*map(place, behaviors), settings=SETTINGS, routes=(chat,))


def test_there_is_a_call_for_every_path() -> None:
    assert BODIES.keys() == CHATS.keys() | CLIENT_PATHS.keys()


@pytest.mark.parametrize("path", sorted(EVERY.keys() - COUNTING))
async def test_a_call_on_this_path_is_in_the_ledger_and_its_budget_paid_it(path: str) -> None:
    async with (
        paying(answers_all) as (gateway, client, (upstream,)),
        bank(gateway, BUDGET) as banked,
    ):
        gateway.world.seal_key = b"k" * 32
        reply = await post(client, path, EVERY[path])
        assert reply.status_code == 200, reply.text
        await eventually(lambda: len(gateway.books.ended) == 1)
        (record,) = gateway.books.ended
        assert record.outcome == "ok"
        assert record.call == reply.headers["x-federation-call-id"]
        assert len(record.attempts) == len(upstream.seen) == 1
        assert record.cost_nano == record.attempts[0].cost_nano
        assert record.cost_nano, "it is not free"
        assert (await banked.stands()).spent_nano == record.cost_nano


@pytest.mark.parametrize("path", sorted(EVERY.keys() - COUNTING - PASSAGES))
async def test_a_fallback_on_this_path_is_in_the_ledger_with_both_attempts(path: str) -> None:
    async with (
        paying(status(500), answers_all) as (gateway, client, _),
        bank(gateway, BUDGET) as banked,
    ):
        reply = await post(client, path, EVERY[path])
        assert reply.status_code == 200, reply.text
        await eventually(lambda: len(gateway.books.ended) == 1)
        (record,) = gateway.books.ended
        failed, *_, answered = record.attempts
        assert (failed.deployment, answered.deployment) == ("p0/acme-large", "p1/acme-large")
        assert failed.error
        assert not failed.cost_nano, "what failed is not billed as an answer"
        assert record.cost_nano == answered.cost_nano
        assert (await banked.stands()).spent_nano == record.cost_nano


@pytest.mark.parametrize("path", sorted(EVERY.keys() - COUNTING))
async def test_a_call_on_this_path_is_refused_by_an_empty_budget(path: str) -> None:
    empty = Budget("b", "default", Scope.TENANT, "default", 1)
    async with (
        paying(answers_all) as (gateway, client, (upstream,)),
        bank(gateway, empty),
    ):
        gateway.world.seal_key = b"k" * 32
        reply = await post(client, path, EVERY[path])
        # Clients of Bedrock know no 402.
        assert reply.status_code == (403 if path.startswith("/model/") else 402), reply.text
        assert not upstream.seen, "not a byte left"
        (record,) = gateway.books.ended
        assert record.error in ("budget_exceeded", "cost_unbounded")
