"""A store goes with one master key: another is refused, and none is made beside it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sql_stores import sql_engine
from sqlalchemy import Engine

from federation.domain.access import Role, VirtualKey
from federation.errors import ConfigError
from federation.storage.accounts import SqlKeys
from federation.storage.masters import accept_master, agreed_master, current_master
from federation.storage.secrets import MASTER_VARIABLE

KEY = VirtualKey("key_1", b"h" * 32, "search", "default", Role.VIEWER, 1)
ONE, OTHER = {MASTER_VARIABLE: "11" * 32}, {MASTER_VARIABLE: "22" * 32}


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with sql_engine(request.param, tmp_path) as made:
        yield made


def agreed(engine: Engine, data: Path, environ: dict[str, str] | None = None) -> bytes:
    return agreed_master(engine, data, environ or {}, lambda _: (None, ""))


def test_the_first_key_is_made_and_stays(engine: Engine, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = agreed(engine, data)
    assert agreed(engine, data) == first
    (data / "master.key").rename(data / "lost")
    with pytest.raises(ConfigError, match=r"master\.key: is missing.*accept-master"):
        agreed(engine, data)
    assert not (data / "master.key").exists()
    (data / "lost").rename(data / "master.key")
    assert agreed(engine, data) == first
    assert agreed(engine, data, {MASTER_VARIABLE: first.hex()}) == first


def test_a_store_from_before_marks_that_knows_keys_gets_no_new_one(
    engine: Engine, tmp_path: Path
) -> None:
    SqlKeys(engine).ensure_tenant("default", 1)
    SqlKeys(engine).add(KEY)
    with pytest.raises(ConfigError, match=r"master\.key: is missing.*accept-master"):
        agreed(engine, tmp_path / "data")
    assert not (tmp_path / "data" / "master.key").exists()
    assert agreed(engine, tmp_path / "data", ONE) == bytes.fromhex(ONE[MASTER_VARIABLE])


def test_another_key_is_refused_by_its_place_and_not_repeated(
    engine: Engine, tmp_path: Path
) -> None:
    agreed(engine, tmp_path / "data", ONE)
    with pytest.raises(ConfigError, match=f"{MASTER_VARIABLE}: is not the master key") as refused:
        agreed(engine, tmp_path / "data", OTHER)
    assert "22" * 4 not in str(refused.value)
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "master.key").write_text("33" * 32)
    with pytest.raises(ConfigError, match=r"master\.key: is not the master key"):
        agreed(engine, tmp_path / "data")
    assert agreed(engine, tmp_path / "data", ONE) == bytes.fromhex("11" * 32)


def test_a_key_that_is_accepted_takes_the_place_of_the_former(
    engine: Engine, tmp_path: Path
) -> None:
    keys = SqlKeys(engine)
    keys.ensure_tenant("default", 0)
    for n, revoked in enumerate((None, None, 5)):
        keys.add(replace(KEY, id=f"key_{n}", hash=bytes([n]) * 32, revoked_ms=revoked))
    one = agreed(engine, tmp_path, ONE)
    assert accept_master(engine, one, made=False) is None
    other, made = current_master(tmp_path, OTHER, lambda _: (None, ""))
    assert not made
    assert accept_master(engine, other, made=False) == 2, "keys that nobody revoked"
    assert agreed(engine, tmp_path, OTHER) == other
    with pytest.raises(ConfigError):
        agreed(engine, tmp_path, ONE)
    assert accept_master(engine, one, made=False) == 2
    assert agreed(engine, tmp_path, ONE) == one


def test_a_store_that_knew_no_key_takes_what_is_accepted(engine: Engine, tmp_path: Path) -> None:
    key, made = current_master(tmp_path, {}, lambda _: (None, ""))
    assert made
    assert accept_master(engine, key, made=made) is None
    with pytest.raises(ConfigError):
        agreed(engine, tmp_path, ONE)
    assert agreed(engine, tmp_path) == key


def test_a_key_made_for_a_store_that_knew_keys_makes_them_useless(
    engine: Engine, tmp_path: Path
) -> None:
    keys = SqlKeys(engine)
    keys.ensure_tenant("default", 0)
    keys.add(KEY)
    key, made = current_master(tmp_path, {}, lambda _: (None, ""))
    assert accept_master(engine, key, made=made) == 1


def test_of_starts_at_once_with_different_keys_one_key_wins(engine: Engine, tmp_path: Path) -> None:
    def begun(n: int) -> bytes | None:
        try:
            return agreed(engine, tmp_path, {MASTER_VARIABLE: f"{n:02x}" * 32})
        except ConfigError:
            return None

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(begun, range(1, 9)))
    assert len([each for each in started if each is not None]) == 1
