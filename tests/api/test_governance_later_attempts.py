"""A call whose rules change while it is under way: what was forbidden since is asked no more.

The first deployment brings the change about, and then fails: what follows is a retry, a fallback,
or the rest of a broken stream.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import httpx
import pytest
from gateway_rig import CHAT, HELLO, answers, reset, rig, streams
from governed_world import bind, placed, policy
from inprocess import Gateway
from scripted import Talk

from federation.domain.catalogue import Deployment, Limits
from federation.domain.policies import DeniedProviders, Payloads
from federation.domain.routes import Deadlines

EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hal"}}]}\n\n'
Change = Callable[[Gateway], None]


def without_the_other(running: Gateway) -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        return replace(row, enabled=False) if place else row

    bind(running, alter=alter)


def gone_elsewhere(running: Gateway) -> None:
    """The call would ask it where it lay."""
    bind(running, alter=placed("eu", "eu"))


def raised_and_renamed(running: Gateway) -> None:
    def alter(place: int, row: Deployment) -> Deployment:
        row = placed("eu", "us")(place, row)
        more = replace(row.provider, name="Else", as_of="2026-11-23", limits=Limits(rpm=1000))
        return replace(row, provider=replace(more, deadlines=Deadlines(total_s=50.0)))

    bind(running, alter=alter)


CHANGES: dict[str, tuple[Change, bool]] = {
    "nothing that matters": (bind, True),
    "limits, deadlines, names and dates are others": (raised_and_renamed, True),
    "the other is forbidden": (
        lambda running: bind(running, policy(DeniedProviders(names=("p1",)))),
        False,
    ),
    "the other is withdrawn": (without_the_other, False),
    "the other has moved": (gone_elsewhere, False),
    "policies demand something else": (
        lambda running: bind(running, policy(Payloads(keep=False))),
        False,
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("change", "asked"), CHANGES.values(), ids=CHANGES)
async def test_a_later_attempt_keeps_to_the_rules_of_now(
    change: Change, *, asked: bool, stream: bool
) -> None:
    running: list[Gateway] = []

    async def fails(talk: Talk) -> None:
        if stream:
            await talk.begin_stream()
            await talk.event(EVENT)
        change(running[0])
        if stream:
            reset(talk)
        else:
            await talk.answer(b"{}", 429)

    other = streams(EVENT) if stream else answers()
    async with rig(fails, other, alter=placed("eu", "us")) as (gateway, client, upstreams):
        running.append(gateway)
        with suppress(httpx.RemoteProtocolError):  # of what cannot be made whole
            reply = await client.post(CHAT, json=HELLO | {"stream": stream})
            assert stream or (reply.status_code == 200) is asked, reply.text
        assert bool(upstreams[1].seen) is asked


async def test_the_same_deployment_is_not_asked_again_once_it_is_forbidden() -> None:
    running: list[Gateway] = []

    async def fails(talk: Talk) -> None:
        bind(running[0], policy(DeniedProviders(names=("p0",))))
        await talk.answer(b"{}", 503)

    async with rig(fails, answers()) as (gateway, client, upstreams):
        running.append(gateway)
        reply = await client.post(CHAT, json=HELLO)
        assert reply.status_code == 200, reply.text
        assert [len(each.seen) for each in upstreams] == [1, 1]
