"""Names to addresses: the cache, simultaneous questions, the guard behind it."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest

from federation.errors import Unavailable, UpstreamError, UpstreamFailed
from federation.resilience.health import NEUTRAL
from federation.resilience.recovery import blame
from federation.transport.names import HostNames, system_resolve


class Resolver:
    """Answers from a table and counts the questions."""

    def __init__(self, **table: list[str]) -> None:
        self.table = {name.replace("_", "."): found for name, found in table.items()}
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        await self.gate.wait()
        if host not in self.table:
            raise OSError("no such name")
        return self.table[host]


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_name_is_asked_for_once_while_it_is_fresh() -> None:
    resolver, clock = Resolver(a_example=["8.8.8.8", "1.1.1.1"]), Clock()
    names = HostNames(resolver, 30.0, clock)
    for _ in range(3):
        assert await names.addresses("a.example", 443, private=False) == ["8.8.8.8", "1.1.1.1"]
    assert resolver.asked == 1
    clock.now = 30.0
    await names.addresses("a.example", 443, private=False)
    assert resolver.asked == 2


async def test_simultaneous_questions_are_one() -> None:
    resolver = Resolver(a_example=["8.8.8.8"])
    resolver.gate.clear()
    names = HostNames(resolver)
    tasks = [
        asyncio.create_task(names.addresses("a.example", 443, private=False)) for _ in range(5)
    ]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    resolver.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == [["8.8.8.8"]] * 4
    assert resolver.asked == 1


async def test_a_literal_is_not_asked_for() -> None:
    resolver = Resolver()
    names = HostNames(resolver)
    assert await names.addresses("8.8.8.8", 443, private=False) == ["8.8.8.8"]
    assert await names.addresses("[::1]", 443, private=True) == ["::1"]
    assert resolver.asked == 0


@pytest.mark.parametrize(
    ("found", "private"),
    [
        (["10.0.0.1"], False),
        (["8.8.8.8", "127.0.0.1"], False),
        (["169.254.169.254"], True),
        (["10.0.0.1", "fd00:ec2::254"], True),
    ],
)
async def test_a_forbidden_answer_condemns_the_name(found: list[str], private: bool) -> None:
    names = HostNames(Resolver(rebind_example=found))
    with pytest.raises(UpstreamError) as caught:
        await names.addresses("rebind.example", 443, private=private)
    assert caught.value.code == "upstream_address_forbidden"
    assert found[-1] not in str(caught.value)


async def test_the_verdict_is_not_cached() -> None:
    names = HostNames(Resolver(inner_example=["10.0.0.1"]))
    assert await names.addresses("inner.example", 1, private=True) == ["10.0.0.1"]
    with pytest.raises(UpstreamError, match="private"):
        await names.addresses("inner.example", 1, private=False)


async def test_a_metadata_name_is_refused_unasked() -> None:
    resolver = Resolver()
    with pytest.raises(UpstreamError, match="metadata"):
        await HostNames(resolver).addresses("metadata.google.internal", 80, private=True)
    assert resolver.asked == 0


async def test_failures_are_not_remembered() -> None:
    resolver = Resolver(empty_example=[])
    names = HostNames(resolver)
    for host, message in (("gone.example", "cannot be resolved"), ("empty.example", "no address")):
        with pytest.raises(UpstreamFailed, match=message):
            await names.addresses(host, 443, private=False)
    resolver.table["gone.example"] = ["8.8.8.8"]
    assert await names.addresses("gone.example", 443, private=False) == ["8.8.8.8"]


async def test_without_a_descriptor_to_ask_with_the_provider_is_not_at_fault() -> None:
    faults: list[OSError] = [
        OSError(errno.EMFILE, "Too many open files"),
        socket.gaierror(errno.EMFILE, "its number is the resolver's own"),
    ]

    async def resolve(host: str, port: int) -> list[str]:
        raise faults.pop(0)

    names = HostNames(resolve)
    with pytest.raises(UpstreamFailed, match="too many open files") as caught:
        await names.addresses("a.example", 443, private=False)
    assert (caught.value.status, blame(caught.value) in NEUTRAL) == (503, True)
    with pytest.raises(UpstreamFailed, match="cannot be resolved"):
        await names.addresses("a.example", 443, private=False)


async def test_the_address_that_worked_comes_first() -> None:
    names = HostNames(Resolver(a_example=["8.8.8.8", "1.1.1.1"]))
    await names.addresses("a.example", 443, private=False)
    names.prefer("a.example", "1.1.1.1")
    names.prefer("a.example", "9.9.9.9")
    names.prefer("unknown.example", "9.9.9.9")
    assert await names.addresses("a.example", 443, private=False) == ["1.1.1.1", "8.8.8.8"]


async def test_closing_ends_the_questions_that_are_out() -> None:
    resolver = Resolver()
    resolver.gate.clear()
    names = HostNames(resolver)
    task = asyncio.create_task(names.addresses("a.example", 443, private=False))
    await asyncio.sleep(0)
    await names.aclose()
    with pytest.raises(Unavailable):
        await task
    await names.aclose()


async def test_the_cache_is_bounded() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8"]

    names = HostNames(resolve)
    for number in range(1100):
        await names.addresses(f"h{number}.example", 443, private=False)
    assert len(names._known) <= 1024


async def test_the_system_resolver_reads_historic_forms() -> None:
    assert await system_resolve("0x7f.1", 80) == ["127.0.0.1"]
    with pytest.raises(UpstreamError, match="loopback"):
        await HostNames().addresses("2130706433", 80, private=False)


async def test_a_name_that_is_no_name_cannot_be_resolved() -> None:
    with pytest.raises(UpstreamFailed, match="cannot be resolved"):
        await HostNames().addresses("a" * 70 + ".example", 80, private=False)
