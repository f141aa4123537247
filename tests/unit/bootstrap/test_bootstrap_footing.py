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


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "federation.db"
    path.touch()
    return path


async def returns(socket: Path, store: Path, *changes: Callable[[], object]) -> bool:
    watching = asyncio.create_task(undermined(socket, [store], LOOK_S))
    await asyncio.sleep(3 * LOOK_S)
    assert not watching.done()
    for change in changes:
        change()
    await asyncio.wait((watching,), timeout=30 * LOOK_S)
    return not watching.cancel()


async def test_a_socket_that_was_removed_is_missed(socket: Path, store: Path) -> None:
    assert await returns(socket, store, socket.unlink)


async def test_a_socket_in_whose_place_another_was_put_is_missed(socket: Path, store: Path) -> None:
    other = socket.with_name("other")
    other.touch()
    assert await returns(socket, store, lambda: other.rename(socket))


async def test_nobody_is_started_anew_where_the_store_is_gone_too(
    socket: Path, store: Path
) -> None:
    """Another control would begin with an empty store."""
    assert not await returns(socket, store, socket.unlink, store.unlink)


async def test_nobody_is_started_anew_on_another_store(socket: Path, store: Path) -> None:
    other = store.with_name("other.db")
    other.touch()
    assert not await returns(socket, store, socket.unlink, lambda: other.rename(store))


async def test_a_store_that_is_back_is_gone_on_with(socket: Path, store: Path) -> None:
    away = store.with_name("away.db")
    watching = asyncio.create_task(undermined(socket, [store], LOOK_S))
    await asyncio.sleep(LOOK_S)
    store.rename(away)
    socket.unlink()
    await asyncio.sleep(10 * LOOK_S)
    assert not watching.done()
    away.rename(store)
    await asyncio.wait_for(watching, 30)


async def test_a_socket_that_stays_is_none_of_it(socket: Path, store: Path) -> None:
    assert not await returns(socket, store)
