"""Whether a child still works, as its launcher hears it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from federation.bootstrap import lifeline
from federation.bootstrap.pulse import Pulse


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    made = Pulse()
    yield made
    made.close()


def test_silence_counts_from_the_first_byte_on(pulse: Pulse) -> None:
    assert [pulse.look() for _ in range(9)] == [0] * 9, "a start may take long"
    os.write(pulse.saying, b"..")
    assert [pulse.look() for _ in range(4)] == [0, 1, 2, 3]
    os.write(pulse.saying, b".")
    assert [pulse.look() for _ in range(3)] == [0, 1, 2]


def test_who_comes_next_is_not_judged_by_what_was_said_before(pulse: Pulse) -> None:
    os.write(pulse.saying, b".")
    pulse.look()
    os.write(pulse.saying, b".")
    pulse.begin()
    assert [pulse.look() for _ in range(3)] == [0, 0, 0]


async def test_a_loop_that_turns_says_so_and_nobody_has_to_listen(
    pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifeline, "SAY_S", 0.001)
    lifeline.beat(pulse.saying)
    for _ in range(3):
        await asyncio.sleep(0.05)
        assert pulse.look() == 0
    while True:  # until the pipe takes no more
        try:
            os.write(pulse.saying, bytes(4096))
        except BlockingIOError:
            break
    await asyncio.sleep(0.02)
    pulse.look()
    await asyncio.sleep(0.05)
    assert pulse.look() == 0
