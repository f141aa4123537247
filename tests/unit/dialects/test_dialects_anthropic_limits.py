"""The limit of the answer, sampling, and fields without a place."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_calls import NEWER, asking, write
from anthropic_vendor import VendorRequests
from msgspec import Raw

from federation.domain.catalogue import Auth
from federation.domain.routes import Settings
from federation.errors import InvalidRequest
from federation.schema.chat import (
    Reasoning,
    Sampling,
)


@pytest.fixture(scope="module")
def vendor() -> VendorRequests:
    return VendorRequests()


@pytest.mark.parametrize(
    ("asked", "row", "expected"),
    [
        (100, {}, 100),
        (0, {}, 0),
        (900_000, {}, 64_000),
        (None, {}, 64_000),
        (None, {"max_output": None}, 4096),
        (None, {"settings": Settings(max_tokens_default=500)}, 500),
        (None, {"settings": Settings(max_tokens_default=500_000)}, 64_000),
        (900_000, {"max_output": None}, 900_000),
    ],
)
def test_the_limit_is_always_sent(asked: int | None, row: dict[str, Any], expected: int) -> None:
    assert write(asking(max_output=asked), **row)[0]["max_tokens"] == expected


@pytest.mark.parametrize(
    ("sampling", "row", "expected", "losses"),
    [
        (Sampling(temperature=0.5, top_k=3), {}, {"temperature": 0.5, "top_k": 3}, ()),
        (Sampling(temperature=1.5), {}, {"temperature": 1.0}, ("temperature",)),
        (Sampling(temperature=0.5, top_p=0.9), {}, {"temperature": 0.5}, ("top_p",)),
        (Sampling(temperature=0.5, top_p=1), {}, {"temperature": 0.5}, ()),
        (Sampling(top_p=0.9), {}, {"top_p": 0.9}, ()),
        (
            Sampling(temperature=0.5, top_p=0.9, top_k=1),
            {"quirks": NEWER},
            {},
            ("temperature", "top_p", "top_k"),
        ),
        (Sampling(temperature=1, top_p=1), {"quirks": NEWER}, {}, ()),
        (Sampling(stop=("END", "\n")), {}, {"stop_sequences": ["END"]}, ("stop",)),
        (
            Sampling(
                min_p=0.1,
                frequency_penalty=1,
                presence_penalty=1,
                seed=1,
                logit_bias=Raw(b"{}"),
                logprobs=True,
            ),
            {},
            {},
            ("min_p", "frequency_penalty", "presence_penalty", "seed", "logit_bias", "logprobs"),
        ),
    ],
)
def test_sampling_is_sent_as_far_as_the_model_takes_it(
    sampling: Sampling, row: dict[str, Any], expected: dict[str, Any], losses: tuple[str, ...]
) -> None:
    body, lost = write(asking(sampling=sampling), **row)
    rest = {n: v for n, v in body.items() if n not in ("model", "max_tokens", "messages")}
    assert (rest, lost) == (expected, losses)


def test_the_newest_api_version_has_no_sampling() -> None:
    auth = Auth("header", "x-api-key", "", {"anthropic-version": "2026-10-21"})
    body, losses = write(asking(sampling=Sampling(temperature=0.2)), auth=auth)
    assert "temperature" not in body
    assert losses == ("temperature",)


def test_an_operators_temperature_fills_in_unless_the_model_thinks() -> None:
    row = {"settings": Settings(temperature_default=0.3)}
    assert write(asking(), **row)[0]["temperature"] == 0.3
    assert "temperature" not in write(asking(reasoning=Reasoning("low")), **row)[0]


def test_more_than_one_answer_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        write(asking(sampling=Sampling(choices=2)))
    assert caught.value.param == "n"
