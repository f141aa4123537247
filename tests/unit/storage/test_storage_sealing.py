from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.storage.keyring import internal_key, seal_key
from federation.storage.sealing import Sealer, Unsealable
from federation.storage.secrets import hash_key, response_key

SEALER = Sealer(b"k" * 32)


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=2000))
def test_what_is_sealed_opens_again(tenant: str, name: str, content: bytes) -> None:
    tenant = tenant.encode("utf-8", "replace").decode()
    name = name.encode("utf-8", "replace").decode()
    sealed = SEALER.seal(tenant, name, content)
    assert SEALER.open(tenant, name, sealed) == content
    assert len(content) < 20 or content not in sealed


@pytest.mark.parametrize(
    ("tenant", "name"),
    [("other", "resp_1"), ("default", "resp_2"), ("defaul", "tresp_1"), ("", "defaultresp_1")],
)
def test_it_is_bound_to_its_owner_and_its_name(tenant: str, name: str) -> None:
    sealed = SEALER.seal("default", "resp_1", b"content")
    with pytest.raises(Unsealable):
        SEALER.open(tenant, name, sealed)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Unsealable):
        Sealer(b"x" * 32).open("default", "a", SEALER.seal("default", "a", b"content"))


def test_a_changed_byte_is_noticed_wherever_it_is() -> None:
    sealed = SEALER.seal("default", "a", b"content")
    for at in range(len(sealed)):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(Unsealable):
            SEALER.open("default", "a", changed)


@pytest.mark.parametrize(
    "sealed", [b"", b"\x01", b"\x01" + b"0" * 11, b"\x01" + b"0" * 20, b"\x02"]
)
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unsealable):
        SEALER.open("default", "a", sealed)


def test_the_same_content_never_looks_the_same() -> None:
    assert len({SEALER.seal("default", "a", b"content") for _ in range(100)}) == 100


def test_no_key_is_shown() -> None:
    assert "kkkk" not in repr(SEALER)


def test_every_use_of_the_master_key_has_a_key_of_its_own() -> None:
    master = b"m" * 32
    ring = hash_key(master)
    found = {master, ring, response_key(master), seal_key(ring), internal_key(ring).encode()}
    assert len(found) == 5
    assert len(response_key(master)) == 32
