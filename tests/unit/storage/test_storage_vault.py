"""Secrets and root keys in a Vault, over real sockets against a server that speaks its wire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from vault_server import ROLE, ROLE_SECRET, TOKEN, FakeVault

from federation.errors import ConfigError, Unavailable
from federation.storage.sealing_roots import FileRoot, MasterRoot, MovedRoot
from federation.storage.sealing_vault import KvRoot, TransitRoot, vault_root
from federation.storage.secrets_vault import REST_S, VaultSecrets
from federation.storage.vault import Vault

KEY = bytes(range(32))


@pytest.fixture
def server() -> Iterator[FakeVault]:
    with FakeVault() as vault:
        yield vault


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_field_of_a_secret_is_read_and_what_is_not_there_is_nothing(server: FakeVault) -> None:
    server.put("secret/llm/openai", key="sk-1", other="x")
    vault = Vault(server.environ)

    assert vault.secret("secret", "llm/openai") == ({"key": "sk-1", "other": "x"}, 1)
    assert vault.secret("secret", "llm/none") == ({}, 0)


def test_a_vault_is_signed_in_to_by_a_role_and_again_when_its_token_is_over(
    server: FakeVault,
) -> None:
    server.tokens.clear()
    server.put("secret/a", key="v")
    given = {"VAULT_ROLE_ID": ROLE, "VAULT_SECRET_ID": ROLE_SECRET, "VAULT_ADDR": server.url}
    vault = Vault(given)

    assert vault.secret("secret", "a")[0] == {"key": "v"}
    server.tokens.clear()
    assert vault.secret("secret", "a")[0] == {"key": "v"}
    assert server.asked.count("POST /v1/auth/approle/login") == 2


def test_a_token_file_is_read_again_when_its_token_is_refused(
    server: FakeVault, tmp_path: Path
) -> None:
    server.put("secret/a", key="v")
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    vault = Vault({"VAULT_ADDR": server.url, "VAULT_TOKEN_FILE": str(path)})
    assert vault.secret("secret", "a")[1] == 1

    server.tokens = {"hvs.another"}
    path.write_text("hvs.another")

    assert vault.secret("secret", "a")[1] == 1


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"VAULT_ADDR": "vault:8200", "VAULT_TOKEN": "t"},
        {"VAULT_ADDR": "http://127.0.0.1:1"},
        {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_ROLE_ID": "r"},
        {"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN_FILE": "/nonexistent/token"},
    ],
)
def test_a_vault_that_is_not_configured_says_which_variable(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="VAULT_"):
        Vault(given)


def test_a_vault_that_refuses_or_is_away_is_unavailable_and_no_message_holds_a_secret(
    server: FakeVault,
) -> None:
    refused = Vault({"VAULT_ADDR": server.url, "VAULT_TOKEN": "hvs.wrong-token"})
    sealed = Vault(server.environ)
    server.sealed = True
    away = Vault({"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": TOKEN})

    for vault in (refused, sealed, away):
        with pytest.raises(Unavailable) as caught:
            vault.secret("secret", "a")
        assert "hvs." not in str(caught.value)


def secrets_of(server: FakeVault, clock: Clock) -> VaultSecrets:
    made = VaultSecrets(lambda: Vault(server.environ), clock)
    made.lifetime_s = 100.0
    return made


def test_secrets_are_cached_and_a_refresh_tells_of_a_change(server: FakeVault) -> None:
    server.put("secret/a", key="one")
    kept = secrets_of(server, Clock())

    assert kept.read("secret/a#key") == ("one", "")
    server.put("secret/a", key="two")
    assert kept.read("secret/a#key") == ("one", "")
    assert server.asked == ["GET /v1/secret/data/a"]
    assert kept.refresh()
    assert kept.read("secret/a#key") == ("two", "")
    assert not kept.refresh()


def test_whoever_reads_a_known_secret_does_not_wait_for_the_vault() -> None:
    asked, answer = Event(), Event()

    class Slow:
        slow = False

        def secret(self, *_: object) -> tuple[dict[str, str], int]:
            if self.slow:
                asked.set()
                assert answer.wait(20)
            return {"key": "one"}, 1

    vault = Slow()
    kept = VaultSecrets(lambda: vault, Clock())
    assert kept.read("secret/a#key") == ("one", "")
    vault.slow = True
    refreshing = Thread(target=kept.refresh)
    refreshing.start()
    assert asked.wait(20)
    read: list[tuple[str | None, str]] = []
    reading = Thread(target=lambda: read.append(kept.read("secret/a#key")), daemon=True)
    reading.start()
    reading.join(20)
    assert read == [("one", "")]
    answer.set()
    refreshing.join(20)


def test_a_secret_outlives_its_vault_for_the_stated_time_and_no_longer(server: FakeVault) -> None:
    server.put("secret/a", key="one")
    clock = Clock()
    kept = secrets_of(server, clock)
    kept.read("secret/a#key")
    server.sealed = True

    clock.now += 99
    assert not kept.refresh()
    assert kept.read("secret/a#key")[0] == "one"
    clock.now += 10
    assert kept.refresh()  # nobody was told yet that it is gone
    assert kept.read("secret/a#key")[0] is None
    assert "lifetime" in kept.read("secret/a#key")[1]
    server.sealed = False
    clock.now += REST_S
    kept.refresh()
    assert kept.read("secret/a#key") == ("one", "")


def test_the_end_of_a_secrets_lifetime_is_a_change(server: FakeVault) -> None:
    server.put("secret/a", key="one")
    clock = Clock()
    kept = secrets_of(server, clock)
    kept.read("secret/a#key")

    server.kv["secret/a"][0] = {"other": "x"}

    assert kept.refresh()
    assert kept.read("secret/a#key")[0] is None


def test_a_vault_that_is_away_is_left_alone_for_a_while(server: FakeVault) -> None:
    server.sealed = True
    clock = Clock()
    kept = secrets_of(server, clock)

    for name in ("a", "b", "c"):
        value, remark = kept.read(f"secret/{name}#key")
        assert value is None
        assert "cannot be read" in remark
    assert len(server.asked) == 1
    server.sealed = False
    server.put("secret/b", key="v")
    clock.now += REST_S
    assert kept.refresh()
    assert kept.read("secret/b#key")[0] == "v"


@pytest.mark.parametrize("fields", [{}, {"key": ""}, {"key": "x" * 70_000}, {"other": "v"}])
def test_a_field_that_is_no_secret_is_not_taken_for_one(
    server: FakeVault, fields: dict[str, str]
) -> None:
    server.put("secret/a", **fields)

    value, remark = secrets_of(server, Clock()).read("secret/a#key")

    assert value is None
    assert "is not there (version 1)" in remark


def root_of(kind: str, server: FakeVault, directory: Path) -> FileRoot | KvRoot | TransitRoot:
    if kind == "file":
        return FileRoot(directory / "root")
    server.transit.setdefault("transit/federation", [KEY])
    place = "transit/federation" if kind == "vault-transit" else "secret/federation/root#key"
    return vault_root(kind, place, server.environ)


@pytest.mark.parametrize("kind", ["file", "vault-transit", "vault"])
def test_a_root_wraps_rotates_and_still_opens_what_it_wrapped(
    kind: str, server: FakeVault, tmp_path: Path
) -> None:
    root = root_of(kind, server, tmp_path)
    first, wrapped = root.wrap(KEY, b"bound")
    assert root.version() == first

    second = root.rotate()

    assert second != first
    assert root.version() == second
    assert root.wrap(KEY, b"bound")[0] == second
    again = root_of(kind, server, tmp_path)
    for each in (root, again):
        assert each.unwrap(first, wrapped, b"bound") == KEY
        with pytest.raises(Unavailable):
            each.unwrap(first, wrapped, b"other")
        with pytest.raises(Unavailable):
            each.unwrap("kms:1", wrapped, b"bound")
    assert KEY not in wrapped


def test_a_transit_key_must_be_there(server: FakeVault) -> None:
    root = vault_root("vault-transit", "transit/none", server.environ)

    for question in (
        root.version,
        root.rotate,
        lambda: root.wrap(KEY, b""),
        lambda: root.unwrap("transit:transit/none@1", b"vault:v1:AAAA", b""),
    ):
        with pytest.raises(Unavailable, match="no transit key"):
            question()


def test_a_root_in_a_vault_that_is_no_key_is_refused(server: FakeVault) -> None:
    root = vault_root("vault", "secret/root#key", server.environ)
    _, wrapped = root.wrap(KEY, b"")
    for bad in ("zz", "00" * 16):
        server.put("secret/root", key=bad)
        with pytest.raises(Unavailable, match="missing"):
            root.version()
    with pytest.raises(Unavailable, match="missing"):
        root.unwrap("vault:secret/root#key@9", wrapped, b"")
    for place in ("secret#key", "secret/root", "#"):
        with pytest.raises(ConfigError):
            vault_root("vault", place, server.environ)


def test_a_root_file_that_is_missing_or_bad_is_named_and_nothing_is_made_in_its_place(
    tmp_path: Path,
) -> None:
    root = FileRoot(tmp_path)
    version, wrapped = root.wrap(KEY, b"")
    path = tmp_path / "1.key"
    assert path.stat().st_mode & 0o077 == 0

    kept = path.read_text()
    for text in ("zz", "00", kept.replace(kept[:2], "ff" if kept[:2] != "ff" else "00", 1)):
        path.write_text(text)
        with pytest.raises(Unavailable):
            FileRoot(tmp_path).unwrap(version, wrapped, b"")
    path.unlink()
    with pytest.raises(Unavailable, match="backup"):
        FileRoot(tmp_path).unwrap(version, wrapped, b"")
    assert not path.exists()


def test_a_root_that_moved_into_a_vault_still_opens_what_files_wrapped(
    server: FakeVault, tmp_path: Path
) -> None:
    files = FileRoot(tmp_path)
    version, wrapped = files.wrap(KEY, b"bound")
    server.make_key("transit/federation")
    moved = MovedRoot(vault_root("vault-transit", "transit/federation", server.environ), files)

    assert moved.unwrap(version, wrapped, b"bound") == KEY
    newer, again = moved.wrap(KEY, b"bound")
    assert newer == moved.version() == "transit:transit/federation@1"
    assert moved.unwrap(newer, again, b"bound") == KEY
    assert moved.rotate() == "transit:transit/federation@2"


def test_replicas_open_with_the_master_key_what_another_one_wrapped(tmp_path: Path) -> None:
    version, wrapped = MasterRoot(b"m" * 32).wrap(b"key", b"bound")
    there = MovedRoot(MasterRoot(b"m" * 32), FileRoot(tmp_path / "there"))

    assert there.version() == there.rotate() == version
    assert there.unwrap(version, wrapped, b"bound") == b"key"
    assert not (tmp_path / "there").exists(), "no file of its own"
    with pytest.raises(Unavailable, match="master key") as refused:
        MasterRoot(b"n" * 32).unwrap(version, wrapped, b"bound")
    assert "6d6d6d" not in str(refused.value)
    with pytest.raises(Unavailable, match="is not the one that wrapped"):
        there.unwrap(version, wrapped, b"elsewhere")
    assert b"m" * 32 not in wrapped


def test_what_files_and_the_master_key_wrapped_opens_after_a_move_into_a_vault(
    server: FakeVault, tmp_path: Path
) -> None:
    files, shared = FileRoot(tmp_path), MasterRoot(b"m" * 32)
    server.make_key("transit/federation")
    vault = vault_root("vault-transit", "transit/federation", server.environ)
    moved = MovedRoot(vault, files, shared)

    for root in (files, shared, moved):
        version, wrapped = root.wrap(KEY, b"bound")
        assert moved.unwrap(version, wrapped, b"bound") == KEY
    with pytest.raises(Unavailable):
        MovedRoot(vault, files).unwrap(*shared.wrap(KEY, b"bound"), b"bound")
