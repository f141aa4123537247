"""Whatever breaks: one whole answer or one clean error, in bounded time, nobody hammered.

A line of the table (`lab_scenes`) is one promise; most are kept whole and streamed. The lab
plays the fault; the client's view and the lab's log are compared with the line.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import replace

import pytest
from gateway_rig import eventually
from lab_scenes import ACROSS, BOTH, GRACE_S, PAIRS, SAFE, SCENES, Scene, judge
from lab_world import FULL, SHORT, LabWorld, Told, lab_world

from federation.domain.routes import MEND_EXACT, MEND_OFF, Deadlines


def cases(scenes: list[Scene]) -> pytest.MarkDecorator:
    """Each line in each of its modes."""
    pairs = [(scene, stream) for scene in scenes for stream in scene.modes]
    return pytest.mark.parametrize(
        ("scene", "stream"),
        pairs,
        ids=[f"{scene.name}, {'stream' if stream else 'whole'}" for scene, stream in pairs],
    )


@cases(SCENES)
async def test_whatever_breaks_the_caller_is_served(scene: Scene, stream: bool) -> None:
    async with lab_world(*scene.targets, deadlines=scene.deadlines) as world:
        told = await world.ask(stream=stream, prompt=scene.prompt, **scene.members)
        await world.settled()
        judge(scene, world, told)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("client", ["anthropic", "gemini", "responses"])
@cases(ACROSS)
async def test_it_is_the_same_in_every_language(
    scene: Scene, stream: bool, client: str, pair: tuple[str, str]
) -> None:
    first, second = scene.targets
    assert isinstance(first, str)
    assert isinstance(second, str)
    targets = (f"{pair[0]}/{first}", f"{pair[1]}/{second}")
    if "malformed" in first and stream and pair[0] == "gemini":
        # Every event of its language is a piece of the answer, and so may be what cannot be read.
        scene = replace(scene, order=("01",), mended=True)
    async with lab_world(*targets, deadlines=scene.deadlines) as world:
        told = await world.ask(client, stream=stream, prompt=scene.prompt)
        await world.settled()
        # Retries and words of one language are not those of another, whole answers excepted.
        judge(replace(scene, within_s=scene.within_s + 1.0), world, told)


TOOL = {
    "type": "function",
    "function": {
        "name": "note",
        "description": "Keep a note",
        "parameters": {
            "type": "object",
            "properties": {"text": {"type": "string"}},
            "required": ["text"],
        },
    },
}
FORM = {
    "type": "json_schema",
    "json_schema": {"name": "note", "schema": TOOL["function"]["parameters"]},  # type: ignore[index]
}


@pytest.mark.parametrize("target", ["lab-prefill", "lab-same"])
@pytest.mark.parametrize("fault", ["cut-40", "stall-20", "cut-1", "garbage-20"])
@pytest.mark.parametrize("stream", BOTH, ids=["whole", "stream"])
async def test_a_broken_tool_call_is_completed_validly_or_refused(
    target: str, fault: str, stream: bool
) -> None:
    async with lab_world(f"lab-same:{fault}", target, deadlines=SHORT) as world:
        told = await world.ask(stream=stream, tools=[TOOL], tool_choice="required")
        if told.clean_error:
            return
        assert told.whole, (told.error, told.broken)
        ((name, arguments),) = told.calls
        assert name == "note"
        assert json.loads(arguments) == {"text": FULL}


@pytest.mark.parametrize("target", ["lab-prefill", "lab-same"])
@pytest.mark.parametrize("fault", ["cut-40", "stall-20", "cut-1"])
@pytest.mark.parametrize("stream", BOTH, ids=["whole", "stream"])
async def test_a_broken_structured_answer_is_completed_validly_or_refused(
    target: str, fault: str, stream: bool
) -> None:
    async with lab_world(f"lab-same:{fault}", target, deadlines=SHORT) as world:
        told = await world.ask(stream=stream, response_format=FORM)
        if told.clean_error:
            return
        assert told.whole, (told.error, told.broken)
        assert json.loads(told.text) == {"text": FULL}


@pytest.mark.parametrize(
    ("mend", "target", "whole"),
    [
        (MEND_OFF, "lab-prefill", False),
        (MEND_EXACT, "lab-other", False),
        (MEND_EXACT, "lab-same", True),
        (MEND_EXACT, "lab-prefill", True),
    ],
)
async def test_a_route_says_how_far_mending_may_go(mend: str, target: str, whole: bool) -> None:
    async with lab_world("lab-same:cut-40", target, deadlines=SHORT, mend=mend) as world:
        told = await world.ask(stream=True)
        assert told.whole is whole
        assert told.clean_error is not whole
        assert told.text == (FULL if whole else FULL[: 40 * 4 - 1])
        await world.settled()


async def test_a_broken_stream_goes_on_with_who_was_silent_before() -> None:
    targets = ("lab-same:cut-20", "lab-same:silent-once")
    async with lab_world(*targets, deadlines=SHORT) as world:
        told = await world.ask(stream=True)
        assert told.whole, (told.error, told.broken)
        assert told.text == FULL
        assert world.tries[1] == 2
        assert world.seen()[-1].provider == "p1"
        await world.settled()


async def test_who_is_silent_is_not_asked_in_another_way_at_once() -> None:
    async with lab_world("lab-same:cut-20", "lab-prefill:silent", deadlines=SHORT) as world:
        told = await world.ask(stream=True)
        assert told.clean_error
        assert [each.provider for each in world.seen()] == ["p0", "p1", "p0", "p0", "p1"]
        await world.settled()


async def test_a_stream_that_never_ends_is_ended_and_the_provider_hung_up_on() -> None:
    deadlines = replace(SHORT, total_s=2.0)
    async with lab_world("lab-same:endless", deadlines=deadlines) as world:
        told = await world.ask(stream=True)
        assert told.total_s < 2.0 + GRACE_S
        assert told.clean_error or told.finish == "length"
        await world.settled()
        assert world.seen(0)[0].over == "hung up"


@pytest.mark.parametrize("fault", ["cut-40", "stall-20", "503", "silent", "reset"])
@pytest.mark.parametrize("stream", BOTH, ids=["whole", "stream"])
async def test_with_nobody_left_the_caller_gets_one_clean_error(fault: str, stream: bool) -> None:
    async with lab_world(f"lab-same:{fault}", deadlines=SHORT) as world:
        told = await world.ask(stream=stream)
        assert told.clean_error, (told.raw[-300:], told.broken)
        assert told.total_s < 6.0 + GRACE_S
        assert world.tries[0] <= 3
        await world.settled()


@pytest.mark.parametrize("stream", BOTH, ids=["whole", "stream"])
async def test_failed_attempts_are_not_billed_as_completions(stream: bool) -> None:
    async with lab_world("lab-same:500", "lab-same") as world:
        told = await world.ask(stream=stream)
        assert told.headers["x-federation-provider"] == "p1"
        attempts = world.ended.attempts
        assert [bool(item.error) for item in attempts] == [True] * (len(attempts) - 1) + [False]
        assert {item.cost_nano for item in attempts[:-1]} == {0}
        assert world.ended.cost_nano == attempts[-1].cost_nano
        assert (attempts[-1].cost_nano or 0) > 0


async def test_all_parts_of_a_mended_stream_are_accounted() -> None:
    async with lab_world("lab-same:cut-40", "lab-prefill") as world:
        told = await world.ask(stream=True)
        assert told.text == FULL
        broken, last = world.ended.attempts
        assert broken.error
        assert (broken.cost_nano or 0) > 0
        assert world.ended.cost_nano == (broken.cost_nano or 0) + (last.cost_nano or 0)
        assert 60 <= world.ended.usage.output <= 62


@pytest.mark.parametrize("fault", ["silent", "mute", "late-20", "first-20", "trickle-500"])
@pytest.mark.parametrize("stream", BOTH, ids=["whole", "stream"])
async def test_a_client_that_leaves_reaches_the_provider_at_once(fault: str, stream: bool) -> None:
    async with lab_world(f"lab-same:{fault}", SAFE) as world:
        await leaves(world, 0, stream=stream)


async def test_a_client_that_leaves_a_mended_stream_reaches_the_second_provider() -> None:
    async with lab_world("lab-same:cut-20", "lab-prefill:trickle-500") as world:
        await leaves(world, 1, stream=True)


async def leaves(world: LabWorld, target: int, *, stream: bool) -> None:
    """Hang up while this target answers: it must see that within 100 ms."""
    call = await world.begin(stream=stream)
    await eventually(lambda: bool(world.seen(target)))
    await asyncio.sleep(0.1)
    left = time.monotonic()
    call.cancel()
    await asyncio.wait([call])
    seen = world.seen(target)[0]
    await eventually(lambda: seen.hung_up_s is not None)
    assert seen.at_s + (seen.hung_up_s or 0.0) - left < 0.1
    await world.settled()


async def test_a_client_that_leaves_during_a_pause_ends_the_call() -> None:
    async with lab_world("lab-same:429-after-2", SAFE) as world:
        call = await world.begin(stream=False)
        await asyncio.sleep(0.1)
        call.cancel()
        await asyncio.wait([call])
        await world.settled(within_s=0.5)
        await asyncio.sleep(2.2)
        assert world.tries == [1, 0]


SPEED = 20.0
"""How fast the gateway's clock runs where a minute must pass."""


async def test_a_provider_that_was_down_is_asked_again_when_it_is_back() -> None:
    """A minute of outage and the way back, on a clock that runs twenty times as fast."""

    def clock() -> float:
        return time.monotonic() * SPEED

    async with lab_world("lab-same", "lab-same", clock=clock) as world:
        world.lab.desk.down("p0", 60.0 / SPEED, "503")
        back = time.monotonic() + 60.0 / SPEED
        for _ in itertools.count():
            told = await world.ask()
            assert told.text == FULL
            if told.headers["x-federation-provider"] == "p0":
                break
            assert time.monotonic() < back + 45.0 / SPEED + GRACE_S
            await asyncio.sleep(0.02)
        assert time.monotonic() >= back
        down = [seen for seen in world.seen(0) if seen.play == "down"]
        # Five failures open the circuit; then one probe at a time, twice in this minute.
        assert len(down) <= 12, [seen.at_s for seen in down]
        for one, other in itertools.pairwise(world.seen(0)):
            assert one.at_s + (one.ended_s or 0.0) <= other.at_s


async def test_three_providers_that_fail_at_random_lose_no_call() -> None:
    calls, gate = 300, asyncio.Semaphore(30)
    deadlines = Deadlines(connect_s=1.0, first_token_s=0.5, idle_s=0.5, total_s=20.0)
    models = ("lab-prefill:random-3", "anthropic/lab-prefill:random-3", "lab-same:random-3")
    async with lab_world(*models, deadlines=deadlines, pace_s=0.0, slow_s=2.0, seed=4) as world:

        async def one(number: int) -> Told:
            async with gate:
                return await world.ask(stream=number % 2 == 0)

        told = await asyncio.gather(*map(one, range(calls)))
        assert [one for one in told if not one.whole or one.text != FULL] == []
        await world.settled()
        assert sum(world.tries) <= 1.3 * calls
        assert world.lab.in_flight == 0
