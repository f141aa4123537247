"""The six clients of the matrix, by dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from matrix.clients import anthropic, bedrock, cohere, gemini, openai, openai_responses
from matrix.clients.program import Program

PROGRAMS: Final[dict[str, Callable[[str], Program]]] = {
    "openai": openai.Program,
    "openai_responses": openai_responses.Program,
    "anthropic": anthropic.Program,
    "gemini": gemini.Program,
    "bedrock": bedrock.Program,
    "cohere": cohere.Program,
}
