"""The names of what is spoken are those of the tables that speak."""

from __future__ import annotations

import pytest

from federation.dialects.operations.table import OPERATION_UPSTREAMS
from federation.dialects.table import UPSTREAMS
from federation.dialects.upstream_names import CHAT_UPSTREAMS, speaks
from federation.dialects.upstream_names import OPERATION_UPSTREAMS as NAMES


def test_the_names_of_languages_are_those_that_are_spoken() -> None:
    assert frozenset(UPSTREAMS) == CHAT_UPSTREAMS
    assert {(op, name) for op, names in NAMES.items() for name in names} == set(OPERATION_UPSTREAMS)


@pytest.mark.parametrize(
    ("dialect", "operations", "spoken"),
    [
        ("anthropic", (), True),
        ("voyage", ("embeddings",), True),
        ("voyage", ("chat", "rerank"), True),
        ("voyage", ("chat",), False),
        ("klingon", ("chat", "embeddings", "teleport"), False),
    ],
)
def test_a_language_is_spoken_for_what_it_can_be_asked(
    dialect: str, operations: tuple[str, ...], spoken: bool
) -> None:
    assert speaks(dialect, operations) is spoken
