from __future__ import annotations

from dataclasses import replace

from federation.control.ports import OverrideStore, VersionStore
from federation.storage.entries import ConfigVersion, Override


def test_the_last_override_of_a_provider_counts(overrides: OverrideStore) -> None:
    assert overrides.list() == []
    overrides.save(Override("beta", enabled=False, changed_ms=1, changed_by="key_1"))
    overrides.save(Override("acme", enabled=False, changed_ms=2, changed_by="key_1"))
    overrides.save(Override("beta", enabled=True, changed_ms=3, changed_by="key_2"))
    assert overrides.list() == [
        Override("acme", enabled=False, changed_ms=2, changed_by="key_1"),
        Override("beta", enabled=True, changed_ms=3, changed_by="key_2"),
    ]


def test_an_override_is_swapped_only_for_the_one_that_is_there(overrides: OverrideStore) -> None:
    off = Override("acme", enabled=False, changed_ms=1, changed_by="key_1")
    on = replace(off, enabled=True, changed_ms=2)
    other = replace(off, provider="beta")
    overrides.save(other)
    assert not overrides.swap("acme", on, off), "there is none"
    assert overrides.swap("acme", off, None)
    assert not overrides.swap("acme", on, None)
    assert not overrides.swap("acme", on, replace(off, changed_by="key_2"))
    assert overrides.swap("acme", on, off)
    assert overrides.list() == [on, other]
    assert overrides.swap("acme", None, on)
    assert overrides.list() == [other]


def test_versions_count_up_and_keep_what_they_were_given(versions: VersionStore) -> None:
    assert versions.latest() is None
    first = versions.add("digest 1", 1000, b"body 1" * 100)
    second = versions.add("digest 2", 2000, b"body 2")
    assert first == ConfigVersion(1, "digest 1", 1000)
    assert versions.latest() == second == ConfigVersion(2, "digest 2", 2000)
    assert versions.body(1) == b"body 1" * 100
    assert versions.body(2) == b"body 2"
    assert versions.body(3) is None
    assert versions.body(0) is None


def test_going_back_to_an_old_configuration_is_a_new_version(versions: VersionStore) -> None:
    versions.add("digest 1", 1000, b"1")
    versions.add("digest 2", 2000, b"2")
    assert versions.add("digest 1", 3000, b"1").version == 3
