"""Members that this dialect alone adds to a glance and a parsed call.

How a stream is framed is decided by the path and the query; the body says nothing of it. And
every member has two spellings, of which the client used one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from federation.schema.chat import ChatRequest
from federation.schema.glance import Glance


class GeminiGlance(Glance, frozen=True):
    """A glance that knows the framing and what `generationConfig` holds."""

    array: bool = False
    """A stream is to be one JSON array."""
    config: frozenset[str] = frozenset()
    """Members of `generationConfig`, in one spelling."""
    given: Mapping[str, str] = MappingProxyType({})
    """Members of the body in one spelling, to the spelling that the client used."""


class GeminiRequest(ChatRequest, frozen=True, omit_defaults=True):
    """A call of this face."""

    array: bool = False
    long_form: bool = False
    """The client speaks the longer form of the interface, which names citations otherwise."""
