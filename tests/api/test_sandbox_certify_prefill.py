"""The certification kit tells a model that goes on with an answer from one that begins it anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from certify_faults import answering
from certify_world import benched, vendor

from federation.control.certify.findings import Result, Status
from federation.control.certify.run import CHECKS, certify
from federation.domain.catalogue import Ability, Provider

PREFILL = tuple(check for check in CHECKS if check.id == "prefill")


def able(provider: Provider, *abilities: Ability, **quirks: Any) -> Provider:
    model = replace(provider.models[0], abilities=frozenset(abilities))
    return replace(provider, models=(model,), quirks=quirks)


async def found(
    text: str, *abilities: Ability, dialect: str = "openai", **quirks: Any
) -> tuple[Result, list[Any]]:
    """The check's result at a provider that answers with this text, and what it was asked."""
    seen: list[Any] = []

    def says(body: dict[str, Any]) -> None:
        seen.append(body)
        body["choices"][0]["message"]["content"] = text

    async with vendor(dialect, wrap=answering(says)) as provider:
        row = able(provider, *abilities, **quirks)
        async with benched(row) as bench:
            (result,) = (await certify(bench, checks=PREFILL)).results
    return result, seen


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (", C, D, E", Status.PASSED),
        ("C, D, E", Status.PASSED),
        ("A, B, C, D, E", Status.FAILED),
        ("", Status.FAILED),
        ("Certainly not.", Status.WARNING),
        ("Sure! Here they are.", Status.WARNING),
    ],
)
async def test_an_answer_is_gone_on_with(text: str, status: Status) -> None:
    result, _ = await found(text, Ability.TOOLS, Ability.PREFILL, prefill="prefix")
    assert result.status is status, result.reason


async def test_a_row_that_lists_no_such_ability_is_not_asked() -> None:
    result, seen = await found("C", Ability.TOOLS, prefill="prefix")
    assert (result.status, seen) == (Status.SKIPPED, [])
    assert "prefill" in result.reason


async def test_a_row_that_says_nothing_is_only_warned() -> None:
    result, _ = await found("A, B, C", prefill="prefix")
    assert result.status is Status.WARNING
