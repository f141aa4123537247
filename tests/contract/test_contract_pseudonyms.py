"""Sealed names, and the keys that they are sealed with, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sql_stores import KINDS, sql_engine
from sqlalchemy import Engine

from federation.errors import Unavailable
from federation.storage.entries import Position
from federation.storage.payloads import SqlPayloads
from federation.storage.pseudonyms import SqlPseudonyms
from federation.storage.sealing_entries import (
    DATA,
    NAMES,
    TENANT,
    ErasureEntry,
    KeyEntry,
    PayloadEntry,
)
from federation.storage.sealing_keys import SqlSealingKeys, prepare_keys


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with sql_engine(request.param, tmp_path) as made:
        yield made


def test_a_name_is_kept_once_and_found_by_its_pseudonym(engine: Engine) -> None:
    names = SqlPseudonyms(engine)
    names.add("acme", {"p_1": b"one", "p_2": b"two"}, 5)
    names.add("acme", {"p_1": b"another", "p_3": b"three"}, 6)
    names.add("other", {"p_9": b"nine"}, 6)
    names.add("acme", {}, 7)

    assert names.known("acme", ["p_1", "p_9", "p_0"]) == {"p_1"}
    assert names.find("acme", ["p_1", "p_9"]) == [("p_1", "acme", b"one")]
    found = names.find(None, ["p_9", "p_3", *(f"q_{n}" for n in range(900))])
    assert sorted(found) == [("p_3", "acme", b"three"), ("p_9", "other", b"nine")]


def test_a_name_goes_with_what_is_kept_of_its_person(engine: Engine) -> None:
    names = SqlPseudonyms(engine)
    names.add("acme", {"p_1": b"one", "p_2": b"two"}, 5)
    assert SqlPayloads(engine).remove("acme", "p_1", tuple) == 1
    assert names.known("acme", ["p_1", "p_2"]) == {"p_2"}


def test_of_a_persons_rows_those_go_that_nobody_can_read(engine: Engine) -> None:
    names, payloads = SqlPseudonyms(engine), SqlPayloads(engine)
    names.add("acme", {"p_1": b"dead" + b"x" * 2000, "p_2": b"living", "p_3": b"dead"}, 5)
    rows = [
        PayloadEntry("call_1", "acme", "p_1", 5, 9, 3, b"dead"),
        PayloadEntry("call_2", "acme", "p_1", 5, 9, 3, b"living"),
        PayloadEntry("call_3", "other", "p_1", 5, 9, 3, b"dead"),
    ]
    payloads.take("w", rows, Position(0, 0, 0))
    shown: list[bytes] = []

    def gone(begins: bytes) -> bool:
        shown.append(begins)
        return begins.startswith(b"dead")

    assert payloads.remove_sealed("acme", ["p_1", "p_2"], gone) == 2
    assert max(map(len, shown)) < 1000, "only the beginning is looked at"
    assert names.known("acme", ["p_1", "p_2", "p_3"]) == {"p_2", "p_3"}
    left = [call for call in ("call_1", "call_2", "call_3") if payloads.find(call, None)]
    assert left == ["call_2", "call_3"]


def test_of_two_replicas_one_makes_the_key_for_names(engine: Engine) -> None:
    prepare_keys(engine)
    keys = SqlSealingKeys(lambda: engine)
    first = KeyEntry("k1", NAMES, "acme", "", "", "root", b"w", 5)
    assert keys.add(first, first=True)
    assert not keys.add(replace(first, id="k2", created_ms=1), first=True)
    assert keys.add(replace(first, id="k3", tenant="other"), first=True)
    assert [key.id for key in keys.living(NAMES)] == ["k1", "k3"]


def test_keys_are_kept_together_and_found_by_person_and_period(engine: Engine) -> None:
    prepare_keys(engine)
    keys = SqlSealingKeys(lambda: engine)
    keys.add(KeyEntry("t1", TENANT, "acme", "", "", "root", b"w", 1))
    one = KeyEntry("k1", DATA, "acme", "p_1", "ever", "t1", b"w", 2, 9)
    keys.add_all([one, replace(one, id="k2", subject="p_2"), replace(one, id="k3", period="x")])
    keys.add_all([])

    found = keys.of_period("acme", "ever", ["p_1", "p_2", "p_3"])
    assert {subject: key.id for subject, key in found.items()} == {"p_1": "k1", "p_2": "k2"}
    keys.destroy(["k2", "t1"], 3, "erased")
    assert list(keys.of_period("acme", "ever", ["p_1", "p_2"])) == ["p_1"]
    with pytest.raises(Unavailable):
        keys.add_all([replace(one, id="k4", subject="p_4")])
    assert keys.of_period("acme", "ever", ["p_4"]) == {}


def test_an_erasure_counts_once_it_is_done(engine: Engine) -> None:
    prepare_keys(engine)
    keys = SqlSealingKeys(lambda: engine)
    keys.ask_erasure(ErasureEntry("e1", "acme", "p_1", "key", 1))
    keys.ask_erasure(ErasureEntry("e2", "other", "p_2", "key", 1, 2, 1))
    assert (keys.erased("acme"), keys.erased("other"), keys.erased_changes()) == ([], ["p_2"], 1)
    keys.finish_erasure("e1", 5, 1)
    assert (keys.erased("acme"), keys.erased_changes()) == (["p_1"], 2)
