from __future__ import annotations

import pytest

from federation.domain.access import Role
from federation.domain.asker import ANONYMOUS, presented
from federation.errors import Unauthorized


@pytest.mark.parametrize(
    ("headers", "secret"),
    [
        ({}, ""),
        ({b"authorization": b"Bearer  abc "}, "abc"),
        ({b"authorization": b"bearer abc"}, "abc"),
        ({b"authorization": b"Basic abc"}, ""),
        ({b"authorization": b"Bearer "}, ""),
        ({b"x-api-key": b" abc "}, "abc"),
        ({b"authorization": b"Bearer abc", b"x-api-key": b"abc"}, "abc"),
        ({b"authorization": b"Basic x", b"x-api-key": b"abc"}, "abc"),
        ({b"x-api-key": b"\xff"}, "�"),
    ],
)
def test_a_key_stands_in_either_header(headers: dict[bytes, bytes], secret: str) -> None:
    assert presented(headers) == secret


def test_two_different_keys_are_refused() -> None:
    with pytest.raises(Unauthorized, match="Two different"):
        presented({b"authorization": b"Bearer abc", b"x-api-key": b"abd"})


def test_strangers_are_developers_of_the_operators_tenant() -> None:
    assert (ANONYMOUS.tenant, ANONYMOUS.role) == ("default", Role.DEVELOPER)
