"""Inputs in as many requests as the provider's limit makes necessary, and their usage in sum."""

from __future__ import annotations

from collections.abc import Sequence

from federation.errors import InvalidRequest
from federation.schema.operations import EmbeddingInput, Mixed, Tokens
from federation.schema.usage import Usage

MOST_REQUESTS = 100
"""Most requests that one call may become."""


def cut(inputs: Sequence[EmbeddingInput], most: int) -> list[Sequence[EmbeddingInput]]:
    """The inputs in pieces of at most `most`. Raises `InvalidRequest` for too many pieces."""
    if len(inputs) > most * MOST_REQUESTS:
        raise InvalidRequest(
            f"The deployment that would serve this call takes {most * MOST_REQUESTS} inputs at "
            "most in one call. Send fewer, or name another model.",
            code="too_many_inputs",
        )
    return [inputs[at : at + most] for at in range(0, len(inputs), most)]


def texts_of(inputs: Sequence[EmbeddingInput]) -> list[str] | None:
    """The inputs, if all of them are plain texts."""
    texts = [item for item in inputs if isinstance(item, str)]
    return texts if len(texts) == len(inputs) else None


def first_of(inputs: Sequence[EmbeddingInput]) -> tuple[bool, bool]:
    """Whether there are token numbers, and inputs of parts, among the inputs."""
    return (
        any(isinstance(item, Tokens) for item in inputs),
        any(isinstance(item, Mixed) for item in inputs),
    )


def total(usages: Sequence[Usage | None]) -> Usage | None:
    """The sum of the requests' usages; None where one did not say."""
    if not usages or any(usage is None for usage in usages):
        return None
    units: dict[str, int] = {}
    tokens = output = 0
    for usage in usages:
        if usage is not None:
            tokens += usage.input
            output += usage.output
            for name, count in usage.units.items():
                units[name] = units.get(name, 0) + count
    return Usage(input=tokens, output=output, units=units)
