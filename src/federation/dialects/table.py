"""The wire languages of this build, written out by name.

A name that is missing here is not supported: routing removes its deployments by the rule
`dialect`. What a language's functions promise is said in `faces`.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.anthropic import client as anthropic_client
from federation.dialects.anthropic import upstream as anthropic_upstream
from federation.dialects.anthropic.render import render_count as anthropic_count
from federation.dialects.bedrock import client as bedrock_client
from federation.dialects.bedrock import count as bedrock_count
from federation.dialects.bedrock import upstream as bedrock_upstream
from federation.dialects.cohere import client as cohere_client
from federation.dialects.cohere import upstream as cohere_upstream
from federation.dialects.faces import ClientFace, CountFace, Prepare
from federation.dialects.gemini import client as gemini_client
from federation.dialects.gemini import count as gemini_count
from federation.dialects.gemini import upstream as gemini_upstream
from federation.dialects.ollama import client as ollama_client
from federation.dialects.ollama import upstream as ollama_upstream
from federation.dialects.openai import client as openai_client
from federation.dialects.openai import upstream as openai_upstream
from federation.dialects.openai_completions import client as completions_client
from federation.dialects.openai_responses import client as responses_client
from federation.dialects.openai_responses import count as responses_count
from federation.dialects.openai_responses import upstream as responses_upstream

CLIENTS: Final[dict[str, ClientFace]] = {
    "openai": openai_client.CLIENT,
    "openai_completions": completions_client.CLIENT,
    "openai_responses": responses_client.CLIENT,
    "anthropic": anthropic_client.CLIENT,
    "gemini": gemini_client.CLIENT,
    "bedrock": bedrock_client.CLIENT,
    "cohere": cohere_client.CLIENT,
    "ollama": ollama_client.CLIENT,
    "ollama_generate": ollama_client.GENERATE_CLIENT,
}

COUNTS: Final[dict[str, CountFace]] = {
    "openai_responses": CountFace(lambda request: request, responses_count.render_count),
    "anthropic": CountFace(lambda request: request, anthropic_count),
    "gemini": CountFace(lambda request: request, gemini_count.render_count),
    "bedrock": CountFace(bedrock_count.converse_of, bedrock_count.render_count),
}
"""Dialects whose clients can have a call's tokens counted."""

UPSTREAMS: Final[dict[str, Prepare]] = {
    "openai": openai_upstream.prepare,
    "openai_responses": responses_upstream.prepare,
    "anthropic": anthropic_upstream.prepare,
    "gemini": gemini_upstream.prepare,
    "vertex": gemini_upstream.prepare,
    "bedrock": bedrock_upstream.prepare,
    "cohere": cohere_upstream.prepare,
    "ollama": ollama_upstream.prepare,
}
