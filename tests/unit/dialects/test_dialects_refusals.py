"""A prompt over the context is told apart from every other mistake, in any host's words."""

from __future__ import annotations

import pytest

from federation.dialects.refusals import classified
from federation.errors import Recovery, UpstreamFailed, UpstreamRejected, UpstreamTooLong


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000.",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum number of tokens allowed.",
        "Input is too long for requested model.",
        "too many tokens: size limit exceeded by 13 tokens",
        "the request exceeds the available context size. try increasing the context size",
        "Please reduce the length of the messages or completion.",
        "max_model_len is 4096",
    ],
)
def test_a_prompt_over_the_context_may_be_asked_of_a_larger_model(said: str) -> None:
    error = classified(UpstreamRejected(said, upstream_status=400, body=b"{}"))
    assert isinstance(error, UpstreamTooLong)
    assert (error.recovery, error.upstream_status, error.message) == (Recovery.FALLBACK, 400, said)


def test_a_code_is_enough_wherever_it_stands() -> None:
    body = b'{"error":{"message":"no","code":"context_length_exceeded"}}'
    assert isinstance(classified(UpstreamRejected("no", body=body)), UpstreamTooLong)
    coded = UpstreamRejected("no", code="context_length_exceeded")
    assert isinstance(classified(coded), UpstreamTooLong)


@pytest.mark.parametrize(
    "said",
    [
        "The name of the tool is too long.",
        "string too long: expected a string with maximum length 256",
        "Invalid value for 'max_tokens': must be at most 4096.",
        "Unknown field 'context'.",
        "file is too large",
    ],
)
def test_other_mistakes_stay_what_they_are(said: str) -> None:
    error = UpstreamRejected(said)
    assert classified(error) is error


def test_failures_are_not_looked_into() -> None:
    failed = UpstreamFailed("prompt is too long")
    assert classified(failed) is failed
