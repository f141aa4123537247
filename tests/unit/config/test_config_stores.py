"""Addresses of stores: without a password in a file, with one by reference, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from federation.config.load import load
from federation.config.settings import StorageSettings
from federation.config.stores import StoreAddresses, peek_stores
from federation.errors import ConfigError

WHOLE = "postgresql://fed:s3cret@db.test:5432/federation?sslmode=require"


def written(place: Path, text: str) -> Path:
    (place / "federation.yaml").write_text(text)
    return place


def test_without_a_word_a_gateway_keeps_its_own_store(tmp_path: Path) -> None:
    assert peek_stores(tmp_path, {}) == StoreAddresses()


def test_an_address_without_a_password_stands_in_the_file(tmp_path: Path) -> None:
    place = written(
        tmp_path,
        "storage: {database: 'postgresql://fed@db/federation', redis: 'redis://cache/0', "
        "replica: eu-1}\n",
    )
    found = peek_stores(place, {})
    assert found == StoreAddresses("postgresql://fed@db/federation", "redis://cache/0", "eu-1")
    assert load(place, {}, {}).storage == StorageSettings(
        "postgresql://fed@db/federation", "redis://cache/0", "eu-1"
    )


def test_one_with_a_password_comes_by_reference(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("rediss://:s3cret@cache:6380/1\n")
    secret.chmod(0o600)
    place = written(tmp_path, f"storage: {{database: env:DB, redis: 'file:{secret}'}}\n")
    found = peek_stores(place, {"DB": WHOLE})
    assert found.database == WHOLE
    assert found.redis == "rediss://:s3cret@cache:6380/1"
    assert "s3cret" not in repr(found)
    assert "s3cret" not in repr(load(place, {"DB": WHOLE}, {}))


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    place = written(tmp_path, "storage: {database: 'postgresql://other/x', replica: b}\n")
    environ = {
        "FEDERATION_DATABASE_URL": WHOLE,
        "FEDERATION_REDIS_URL": "redis://cache",
        "FEDERATION_REPLICA": "a",
    }
    assert peek_stores(place, environ) == StoreAddresses(WHOLE, "redis://cache", "a")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"database: '{WHOLE}'", "no password"),
        ("database: 'postgresql://db/x?password=s3cret'", "no password"),
        ("database: 'mysql://s3cret@db/x'", "postgresql://user@host"),
        ("database: 'postgresql://s3cret@:99999/x'", "postgresql://user@host"),
        ("database: 7", "postgresql://user@host"),
        ("database: env:NOT SET", "env:NAME"),
        ("redis: 'http://s3cret'", "redis://host"),
        ("replica: 'a b'", "letters"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_repeated(
    tmp_path: Path, text: str, word: str
) -> None:
    place = written(tmp_path, f"storage: {{{text}}}\n")
    for read in (lambda: peek_stores(place, {}), lambda: load(place, {}, {})):
        with pytest.raises(ConfigError) as caught:
            read()
        assert word in str(caught.value)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [None, "s3cret and no address"])
def test_a_reference_to_nothing_usable_is_refused(tmp_path: Path, value: str | None) -> None:
    place = written(tmp_path, "storage: {database: env:DB}\n")
    with pytest.raises(ConfigError) as caught:
        peek_stores(place, {} if value is None else {"DB": value})
    assert "env:DB" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_redis_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs 'storage\.database'"):
        peek_stores(written(tmp_path, "storage: {redis: 'redis://cache'}\n"), {})


def test_a_file_that_is_no_mapping_is_for_others_to_judge(tmp_path: Path) -> None:
    assert peek_stores(written(tmp_path, "storage: [1]\n"), {}) == StoreAddresses()
    assert peek_stores(written(tmp_path, "- 1\n"), {}) == StoreAddresses()


@pytest.mark.parametrize("rest", ["routes: [", "storage: {region: eu}"])
def test_a_file_that_cannot_be_read_names_no_store_and_not_our_own(
    tmp_path: Path, rest: str
) -> None:
    place = written(tmp_path, f"storage: {{database: 'postgresql://fed@db/f'}}\n{rest}\n")
    with pytest.raises(ConfigError, match=r"federation\.yaml:\d"):
        peek_stores(place, {})
