"""A chat that a budget cannot bear at its best deployment goes on to one that it can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from gateway_rig import CHAT, HELLO, rig, status
from money_bank import bank
from scripted import whole

from federation.domain.budgets import Budget, Scope
from federation.domain.catalogue import Deployment
from federation.domain.routes import Route, Settings, Spending, Target

ASK = HELLO | {"max_tokens": 400}
"""At most about .0044 USD at the rig's prices."""
TIMES = (100, 10, 1)
"""What each deployment costs, by its place in the order."""


def settings(**more: Any) -> Settings:
    return Settings(spending=Spending(wait_s=0.1, **more))


def priced(place: int, row: Deployment) -> Deployment:
    rates, factor = row.model.price.rates, TIMES[place]
    assert rates.input is not None
    assert rates.output is not None
    dear = replace(rates, input=rates.input * factor, output=rates.output * factor)
    return replace(row, model=replace(row.model, price=replace(row.model.price, rates=dear)))


def route(name: str, *, cheaper: bool) -> Route:
    targets = tuple(Target(f"p{place}/acme-large") for place in range(3))
    return Route(name, "priority", targets, cheaper=cheaper)


ROUTES = (route("willing", cheaper=True), route("firm", cheaper=False))


def budget(limit_nano: int) -> Budget:
    return Budget("b", "default", Scope.TENANT, "default", limit_nano)


@pytest.mark.parametrize(
    ("limit_nano", "asked"),
    [(10**9, 0), (100_000_000, 1), (10_000_000, 2), (1_000_000, None)],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_the_first_in_the_order_that_fits_is_asked(
    limit_nano: int, asked: int | None, stream: bool
) -> None:
    async with (
        rig(whole, whole, whole, settings=settings(cheaper=True), alter=priced) as (
            gateway,
            client,
            upstreams,
        ),
        bank(gateway, budget(limit_nano)) as banked,
    ):
        reply = await client.post(CHAT, json=ASK | {"stream": stream})
        assert [len(each.seen) for each in upstreams] == [int(n == asked) for n in range(3)]
        assert reply.status_code == (402 if asked is None else 200), reply.text
        (record,) = gateway.books.ended
        pot = await banked.stands()
        assert pot.spent_nano == (record.cost_nano or 0) <= limit_nano
        assert pot.reserved_nano <= pot.cap_nano


@pytest.mark.parametrize(
    ("general", "name", "code"),
    [
        (False, "chat", 402),
        (False, "willing", 200),
        (True, "firm", 402),
        (True, "chat", 200),
        (False, "p0/acme-large", 402),
        (True, "p0/acme-large", 402),
    ],
)
async def test_a_route_has_its_own_word_and_a_deployment_that_is_named_no_other(
    general: bool, name: str, code: int
) -> None:
    async with (
        rig(
            whole, whole, whole, settings=settings(cheaper=general), alter=priced, routes=ROUTES
        ) as (gateway, client, upstreams),
        bank(gateway, budget(10_000_000)) as _,
    ):
        reply = await client.post(CHAT, json=ASK | {"model": name})
        assert reply.status_code == code, reply.text
        assert len(upstreams[2].seen) == (code == 200)


async def test_what_fails_on_the_way_is_not_asked_again() -> None:
    """The second fits and fails; then the third is asked, and the first never."""
    async with (
        rig(whole, status(500), whole, settings=settings(cheaper=True), alter=priced) as (
            gateway,
            client,
            upstreams,
        ),
        bank(gateway, budget(100_000_000)) as banked,
    ):
        reply = await client.post(CHAT, json=ASK)
        assert reply.status_code == 200
        assert upstreams[0].seen == []
        assert len(upstreams[2].seen) == 1
        assert (await banked.stands()).spent_nano == gateway.books.ended[0].cost_nano


async def test_a_call_has_its_attempts_once_whoever_was_too_dear_between() -> None:
    """The second is too dear; so the third is the second attempt, and the fourth is not asked."""

    def dear(place: int, row: Deployment) -> Deployment:
        return priced(0 if place == 1 else 2, row)

    gone = status(404)
    limited = replace(settings(cheaper=True), attempts=2)
    async with (
        rig(gone, whole, gone, whole, settings=limited, alter=dear) as rigged,
        bank(rigged[0], budget(100_000_000)),
    ):
        _, client, upstreams = rigged
        reply = await client.post(CHAT, json=ASK)
        assert [len(each.seen) for each in upstreams] == [1, 0, 1, 0]
        assert reply.status_code == 502
        assert reply.headers["x-federation-attempts"] == "2"
