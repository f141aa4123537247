from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from federation.errors import ConfigError
from federation.storage import secrets


def test_a_secret_has_256_bits_and_a_prefix() -> None:
    secret = secrets.new_secret()
    assert secret.startswith("fed_")
    assert len(secret) == len("fed_") + 43
    assert secret != secrets.new_secret()


def test_the_master_key_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert secrets.master_key(data, {}) is None
    first = secrets.made_master_key(data)
    assert len(first) == 32
    assert secrets.made_master_key(data) == first
    assert secrets.master_key(data, {}) == first
    assert stat.S_IMODE((data / "master.key").stat().st_mode) == 0o600
    assert [path.name for path in data.iterdir()] == ["master.key"]


def test_the_environment_sets_the_master_key(tmp_path: Path) -> None:
    environ = {"FEDERATION_MASTER_KEY": "ab" * 32}
    assert secrets.master_key(tmp_path, environ) == bytes.fromhex("ab" * 32)
    environ = {"FEDERATION_MASTER_KEY": "z" * 40}
    assert secrets.master_key(tmp_path, environ) == b"z" * 40
    assert list(tmp_path.iterdir()) == []


def test_a_short_master_key_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        secrets.master_key(tmp_path, {"FEDERATION_MASTER_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_workers_get_a_key_from_which_the_master_key_cannot_be_told() -> None:
    master = b"m" * 32
    derived = secrets.hash_key(master)
    assert len(derived) == 32
    assert derived != master
    assert derived == secrets.hash_key(master)


def test_the_admin_key_says_whether_it_is_new(tmp_path: Path) -> None:
    first = secrets.admin_key(tmp_path, {})
    again = secrets.admin_key(tmp_path, {})
    assert (first.made, again.made) == (True, False)
    assert first.secret == again.secret
    assert first.secret not in repr(first)


def test_the_environment_sets_the_admin_key(tmp_path: Path) -> None:
    given = secrets.admin_key(tmp_path, {"FEDERATION_ADMIN_KEY": "a-long-enough-secret"})
    assert given == secrets.AdminKey("a-long-enough-secret", made=False)
    with pytest.raises(ConfigError, match="too short"):
        secrets.admin_key(tmp_path, {"FEDERATION_ADMIN_KEY": "short"})


def test_an_empty_key_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("\n")
    with pytest.raises(ConfigError, match="delete it"):
        secrets.admin_key(tmp_path, {})


def test_a_key_file_that_cannot_be_read_or_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "admin.key").mkdir()
    with pytest.raises(ConfigError, match=r"admin\.key"):
        secrets.admin_key(tmp_path, {})
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        secrets.admin_key(blocked / "data", {})


def test_of_two_starts_at_once_one_makes_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def overtaken(source: Path, target: Path) -> None:
        if not target.exists():
            target.write_text("fed_the_faster_one\n")
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    assert secrets.admin_key(tmp_path, {}) == secrets.AdminKey("fed_the_faster_one", made=False)


def test_ids_name_their_kind() -> None:
    assert secrets.new_id("key").startswith("key_")
    assert secrets.new_id("key") != secrets.new_id("key")


def test_a_key_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="does not hold text"):
        secrets.admin_key(tmp_path, {})


def test_a_key_may_be_a_reference_which_is_never_taken_for_the_key(tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_text("a-secret-from-a-file-0123456789\n")
    known = {"secret/fed#admin": ("a-secret-from-a-vault-0123456789", "")}

    def vault(reference: str) -> tuple[str | None, str]:
        return known.get(reference, (None, "it is not there"))

    def admin(given: str) -> str:
        return secrets.admin_key(tmp_path, {secrets.ADMIN_VARIABLE: given}, vault).secret

    assert admin(f"file:{path}") == "a-secret-from-a-file-0123456789"
    assert admin("vault:secret/fed#admin") == "a-secret-from-a-vault-0123456789"
    (tmp_path / "bytes").write_bytes(b"\xff")
    for given in (f"file:{tmp_path}/none", f"file:{tmp_path}/bytes", "vault:secret/none#x"):
        with pytest.raises(ConfigError, match=secrets.ADMIN_VARIABLE):
            admin(given)
    with pytest.raises(ConfigError, match="cannot be read here"):
        secrets.master_key(tmp_path, {secrets.MASTER_VARIABLE: "vault:secret/fed#master"})


def test_a_kept_secret_is_made_once(tmp_path: Path) -> None:
    made = iter(("first", "second"))

    assert secrets.kept_secret(tmp_path / "a.key", lambda: next(made)) == "first"
    assert secrets.kept_secret(tmp_path / "a.key", lambda: next(made)) == "first"
