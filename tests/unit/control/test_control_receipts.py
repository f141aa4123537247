"""Who is told the salt of a call."""

from __future__ import annotations

from msgspec import structs

from federation.control.receipts import ReceiptDesk
from federation.domain.access import DEFAULT_TENANT, Role, VirtualKey
from federation.domain.asker import ANONYMOUS
from federation.schema.records import CallEnded


def record(key: str) -> CallEnded:
    return CallEnded(
        "call_1", 1, DEFAULT_TENANT, key, "chat", "m", "ok", 200, input="i", output="o"
    )


def asker(name: str, role: Role, *scopes: str) -> VirtualKey:
    return VirtualKey(name, b"", name, DEFAULT_TENANT, role, 0, scopes=scopes)


def test_a_stranger_at_an_open_gateway_is_told_of_no_other_strangers_call() -> None:
    """They are all one asker there: it proves nothing of who knows the content."""
    desk = ReceiptDesk(b"k" * 32)
    assert desk.of(ANONYMOUS, record(ANONYMOUS.id)) is None
    assert desk.of(asker("a", Role.ADMIN), record(ANONYMOUS.id)) is not None


def test_a_salt_is_for_the_calls_own_key_and_for_who_may_read_contents() -> None:
    desk = ReceiptDesk(b"k" * 32)
    for role, of_others in (
        (Role.ADMIN, True),
        (Role.OWNER, True),
        (Role.DEVELOPER, False),
        (Role.VIEWER, False),
        (Role.AUDITOR, False),
    ):
        assert desk.of(asker("own", role), record("own")) is not None
        assert (desk.of(asker("own", role), record("other")) is not None) is of_others
    assert desk.of(asker("own", Role.OWNER, "calls.read"), record("other")) is None


def test_a_hash_that_could_not_be_made_is_told_with_its_fault() -> None:
    desk = ReceiptDesk(b"k" * 32)
    faults = {"input": "MemoryError", "output": "MemoryError"}
    odd = structs.replace(record("own"), input="", output="", unproven=faults)
    told = desk.of(asker("own", Role.DEVELOPER), odd)
    assert told is not None
    assert (told.input, told.output, told.unproven) == ("", "", faults)
    assert desk.of(asker("own", Role.ADMIN), structs.replace(odd, unproven={})) is None
