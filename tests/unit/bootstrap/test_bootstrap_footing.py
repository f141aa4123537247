"""Whether control is still found under its sockets' names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.bootstrap.footing import undermined

LOOK_S = 0.01


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "link.sock"
    path.parent.mkdir()
    path.touch()
    return path


async def returns(socket: Path, stands: Callable[[], bool], change: Callable[[], object]) -> bool:
    watching = asyncio.create_task(undermined(socket, stands, LOOK_S))
    await asyncio.sleep(3 * LOOK_S)
    assert not watching.done()
    change()
    await asyncio.wait((watching,), timeout=30 * LOOK_S)
    return not watching.cancel()


async def test_a_socket_that_was_removed_is_missed(socket: Path) -> None:
    assert await returns(socket, lambda: True, socket.unlink)


async def test_a_socket_in_whose_place_another_was_put_is_missed(socket: Path) -> None:
    other = socket.with_name("other")
    other.touch()
    assert await returns(socket, lambda: True, lambda: other.rename(socket))


async def test_nobody_is_started_anew_where_the_store_is_gone_too(socket: Path) -> None:
    """Another control would begin with an empty store."""
    assert not await returns(socket, lambda: False, socket.unlink)


async def test_a_socket_that_stays_is_none_of_it(socket: Path) -> None:
    assert not await returns(socket, lambda: True, lambda: None)
