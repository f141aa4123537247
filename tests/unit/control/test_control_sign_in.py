"""Signing keys in a store, where requests come from, and what goes on by itself."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_plane import ADMIN, plane

from federation.config.sign_in_settings import IssuerSettings, SignInSettings
from federation.control import sign_in
from federation.control.permissions import ROLES, KeyWish, Permission, check_role, may, rights
from federation.control.sign_in_keys import TokenKeys
from federation.control.sign_in_sources import source_of
from federation.credentials.issuing import AHEAD_S, SIGNS_S, SPARE_S
from federation.domain.access import Role, VirtualKey
from federation.domain.sign_in import ClaimRules, TokenRing, TrustedIssuer
from federation.errors import Forbidden, Unauthorized, Unavailable
from federation.storage.sealing import Sealer
from federation.storage.sessions_entries import KeptKey
from federation.storage.sessions_memory import MemorySessions, MemoryTokenKeys

NOW = 1_000_000


def test_the_first_key_is_made_and_the_next_in_time() -> None:
    store = MemoryTokenKeys()
    keys = TokenKeys(store, Sealer(b"m" * 32))
    first = keys.now(NOW, 1_800)
    assert first.signs is not None
    assert [key.n for key in store.list()] == [1]
    assert first.signs.seed not in store.list()[0].sealed
    assert keys.now(NOW + 1, 1_800).signs == first.signs

    at = NOW + SIGNS_S - AHEAD_S
    assert keys.now(at, 1_800).signs == first.signs
    assert [key.n for key in store.list()] == [1, 2]
    second = keys.now(NOW + SIGNS_S, 1_800)
    assert second.signs is not None
    assert second.signs.n == 2
    keys.now(NOW + SIGNS_S + 1_800 + SPARE_S + 1, 1_800)
    assert [key.n for key in store.list()] == [2]


def test_replicas_sign_with_one_key() -> None:
    store = MemoryTokenKeys()
    found = [TokenKeys(store, Sealer(b"m" * 32)).now(NOW, 1_800).signs for _ in range(3)]
    assert len(set(found)) == 1
    assert len(store.list()) == 1


def test_who_comes_second_takes_the_key_of_who_was_first() -> None:
    sealed = Sealer(b"m" * 32).seal("sign-in", "tk_theirs", b"t" * 32)

    class Late(MemoryTokenKeys):
        """Another replica makes the key between our look and our own."""

        def add(self, key: KeptKey) -> bool:
            super().add(KeptKey(1, "tk_theirs", sealed, NOW))
            return super().add(key)

    plan = TokenKeys(Late(), Sealer(b"m" * 32)).now(NOW, 1_800)
    assert plan.signs is not None
    assert plan.signs.id == "tk_theirs"


def test_a_key_under_another_master_key_is_passed_over() -> None:
    store = MemoryTokenKeys()
    before = TokenKeys(store, Sealer(b"m" * 32)).now(NOW, 1_800).signs
    after = TokenKeys(store, Sealer(b"x" * 32)).now(NOW + 5, 1_800).signs
    assert before is not None
    assert after is not None
    assert (before.n, after.n) == (1, 2)


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "source"),
    [
        ("198.51.100.1", "6.6.6.6", (), "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6", ("10.0.0.0/8",), "6.6.6.6"),
        ("10.0.0.1", "6.6.6.6, 7.7.7.7", ("10.0.0.0/8",), "7.7.7.7"),
        ("10.0.0.1", "6.6.6.6, nonsense", ("10.0.0.0/8",), "unknown"),
        ("10.0.0.1", "", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", ", ,", ("10.0.0.0/8",), "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", ("10.0.0.0/8",), "10.0.0.2"),
        ("", "6.6.6.6", ("10.0.0.0/8",), "unknown"),
    ],
)
def test_a_header_is_believed_as_far_as_proxies_are(
    peer: str, forwarded: str, trusted: tuple[str, ...], source: str
) -> None:
    assert source_of(peer, forwarded, trusted) == f"source/{source}"
    assert source_of(peer, "6.6.6.6, " * 1_000 + forwarded, ()) == source_of(peer, "", ())


def scoped(role: Role, *scopes: str) -> VirtualKey:
    return VirtualKey("k", b"", "k", "default", role, 0, scopes=scopes)


def test_scopes_leave_a_part_of_a_role_s_rights() -> None:
    assert rights(Role.VIEWER, ()) == ROLES[Role.VIEWER]
    left = rights(Role.VIEWER, ("stats.read", "keys.change", "nonsense"))
    assert left == {Permission.READ_STATS, Permission.READ_SELF}
    key = scoped(Role.ADMIN, "infer")
    assert may(key, Permission.INFER)
    assert may(key, Permission.READ_SELF)
    assert not may(key, Permission.ALL_TENANTS)


def test_what_is_given_on_is_within_one_s_own_scopes() -> None:
    key = scoped(Role.OWNER, "infer", "keys.change")
    check_role(key, Role.OWNER, ("infer",))
    check_role(key, Role.DEVELOPER, ("infer", "stats.change"))
    for role, scopes, param in (
        (Role.OWNER, (), "scopes"),
        (Role.DEVELOPER, ("stats.read",), "scopes"),
        (Role.ADMIN, ("tenants.all",), "role"),
    ):
        with pytest.raises(Forbidden) as caught:
            check_role(key, role, scopes)
        assert caught.value.param == param


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_other_replicas_ended_is_heard_of_also_after_the_store_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Away(MemorySessions):
        away = True

        def ended(self, since_ms: int, most: int) -> list[tuple[str, int]]:
            if self.away:
                raise Unavailable("away")
            return super().ended(since_ms, most)

    monkeypatch.setattr(sign_in, "LOOK_S", 0.01)
    built = plane(tmp_path)
    desk, store = built.control.sign_in, Away()
    store.away = False
    desk._store = store
    await built.control.publish_snapshot()
    granted = await desk.with_key(ADMIN, (), "source/x")
    rings: list[TokenRing] = []
    desk.publish = rings.append
    store.away = True
    with caplog.at_level(logging.WARNING):
        following = asyncio.create_task(desk.follow())
        try:
            await until(lambda: "no ended session is heard of" in caplog.text)
            store.end(granted.session.id, int(built.clock.now * 1000), "elsewhere")
            await asyncio.sleep(0.05)
            assert rings == []
            store.away = False
            await until(lambda: rings)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    assert rings[0].ended == {granted.session.id}
    assert caplog.text.count("no ended session is heard of") == 1


async def test_before_any_ring_nobody_signs_in(tmp_path: Path) -> None:
    desk = plane(tmp_path).control.sign_in
    with pytest.raises(Exception, match="refused"):
        await desk.with_key(ADMIN, (), "source/x")


async def test_the_slower_of_two_that_refresh_gets_what_the_faster_got(tmp_path: Path) -> None:
    built = plane(tmp_path)
    await built.control.publish_snapshot()
    desk = built.control.sign_in
    store = desk._store
    granted = await desk.with_key(ADMIN, (), "source/x")

    class Slow(MemorySessions):
        def __init__(self, end: bool) -> None:
            super().__init__()
            self._end = end
            self.add(store.find(granted.session.id))  # type: ignore[arg-type]

        def turn(self, session: str, n: int, at_ms: int, expires_ms: int) -> bool:
            assert super().turn(session, n, at_ms, expires_ms)
            if self._end:
                self.end(session, at_ms, "meanwhile")
            return False

    desk._store = Slow(end=False)
    second = await desk.refresh(granted.refresh, "source/x")
    assert second.session.n == 1
    desk._store = Slow(end=True)
    with pytest.raises(Exception, match="ended"):
        await desk.refresh(granted.refresh, "source/x")


async def test_the_store_s_thread_asks_for_secrets_and_leaves_what_was_fetched_alone(
    tmp_path: Path,
) -> None:
    here, fetched, shared = threading.get_ident(), set[int](), set[int]()

    class Held(dict[Any, Any]):
        def setdefault(self, *args: Any) -> Any:
            fetched.add(threading.get_ident())
            return super().setdefault(*args)

    def resolve(_: str) -> str:
        shared.add(threading.get_ident())
        return "s" * 32

    built = plane(tmp_path)
    loaded = built.files.loaded
    far = TrustedIssuer("far", "https://far.test", "federation", 3_600, ClaimRules())
    near = TrustedIssuer("near", "https://near.test", "federation", 3_600, ClaimRules())
    rows = (IssuerSettings(far, bearer=True), IssuerSettings(near, bearer=True, secret="env:S"))
    built.control.configuration.reading = replace(
        built.control.configuration.reading,
        loaded=replace(loaded, sign_in=SignInSettings(issuers=rows)),
    )
    desk = built.control.sign_in
    desk.issuers._resolve, desk.issuers._held = resolve, Held()
    await desk.renew()
    assert [len(each.keys) for each in desk.ring.issuers] == [0, 1]
    assert fetched == {here}
    assert shared
    assert here not in shared, "a Vault may be slow"


async def test_a_new_secret_ends_what_was_opened_with_the_old_one(tmp_path: Path) -> None:
    built = plane(tmp_path)
    await built.control.publish_snapshot()
    admin = built.control.keys.keys.find(ADMIN)
    assert admin is not None
    key, secret = await built.control.keys.mint(admin, KeyWish("one", Role.DEVELOPER, "default"))
    desk = built.control.sign_in
    granted = await desk.with_key(secret, (), "source/x")
    await desk.end_key(key.id)
    with pytest.raises(Unauthorized, match="ended"):
        await desk.refresh(granted.refresh, "source/x")
