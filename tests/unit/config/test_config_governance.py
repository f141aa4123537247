"""Policies as a part of the configuration: read with it, watched with it, required or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Load

from federation.config.watch import Fingerprint

Write = Callable[[str, str], Path]
Refused = Callable[..., list[str]]

EU = "policy: {name: eu, rules: [{data_residency: [eu]}]}"


def test_policies_and_the_place_of_the_store_are_loaded(write: Write, loading: Load) -> None:
    write("federation.yaml", "storage: {region: DE}")
    assert loading().policies == ()
    before = loading().digest
    path = write("policies/eu.yaml", EU)
    loaded = loading()
    assert [policy.name for policy in loaded.policies] == ["eu"]
    assert loaded.store_regions == ("de",)
    assert loaded.policies_required is None
    assert path in loaded.files
    assert loaded.digest != before


def test_a_policy_that_cannot_be_read_is_a_configuration_that_cannot(
    write: Write, refused: Refused
) -> None:
    write("policies/eu.yaml", "policy: {name: eu, rules: [{data_residence: [eu]}]}")
    (said,) = refused()
    assert "eu.yaml:1" in said
    assert "data_residence" in said


def test_required_policies_must_be_there(write: Write, loading: Load, refused: Refused) -> None:
    write("federation.yaml", "governance: {required: true}")
    (said,) = refused()
    assert said.startswith("federation.yaml:1: policies are required, and there is none in ")
    write("policies/eu.yaml", EU)
    assert loading().policies_required is True


@pytest.mark.parametrize("name", ["eu.yaml", "eu.yml", "eu.json"])
def test_a_policy_that_appears_changes_or_goes_is_noticed(
    config_dir: Path, write: Write, name: str
) -> None:
    before = Fingerprint.take(config_dir)
    path = write(f"policies/{name}", EU)
    there = before.again()
    assert there.differs(before)
    path.write_text(EU + " ")
    changed = there.again()
    assert changed.differs(there)
    path.unlink()
    assert not changed.again().differs(before)
    write("policies/tests/t.yaml", "tests: []")
    assert not changed.again().differs(before)


def test_a_place_that_nobody_knows_is_no_place_for_a_store(write: Write, refused: Refused) -> None:
    write("federation.yaml", "storage: {region: [mars]}")
    assert "unknown region 'mars'" in refused()[0]


def test_who_approves_is_named_by_the_id_under_which_they_ask(
    write: Write, loading: Load, refused: Refused
) -> None:
    assert loading().approvers == frozenset()
    names = "[key_3f9c0a5d61b7e824, default/ada@x.test]"
    write("federation.yaml", f"governance: {{approvers: {names}}}")
    assert loading().approvers == {"key_3f9c0a5d61b7e824", "user:default/ada@x.test"}
    for wrong in ("ada", "admin", "key_1", "default/", "default/Ada", "user:default/ada"):
        write("federation.yaml", f"governance: {{approvers: [{wrong}]}}")
        (said,) = refused()
        assert "federation.yaml:1" in said
        assert "should be the id of a key" in said
    write("federation.yaml", "governance: {approvers: []}")
    (said,) = refused()
    assert "is empty" in said
