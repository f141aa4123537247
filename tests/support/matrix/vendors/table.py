"""The six vendors of the matrix, by dialect."""

from __future__ import annotations

from typing import Final, Protocol, cast

from matrix.facts import Asked, Traits
from matrix.scenes import Answer, Fault
from matrix.vendors import anthropic, bedrock, cohere, gemini, openai, openai_responses

from federation.domain.catalogue import Model, Provider


class Vendor(Protocol):
    """One vendor's side: a module of functions."""

    NAME: str
    TRAITS: Traits

    def row(self, origin: str) -> tuple[Provider, Model, str]:
        """Its row, one model, and the secret."""
        ...

    def read(self, target: str, headers: dict[str, str], data: bytes) -> Asked:
        """Understand a request; raises where the vendor would refuse it."""
        ...

    def whole(self, answer: Answer) -> bytes:
        """A whole answer's body."""
        ...

    def stream(self, answer: Answer) -> tuple[str, list[bytes]]:
        """A stream's content type and events."""
        ...

    def fault(self, fault: Fault) -> tuple[int, dict[str, str], bytes]:
        """A refusal: status, headers, body."""
        ...


VENDORS: Final[dict[str, Vendor]] = {
    module.NAME: cast("Vendor", module)
    for module in (openai, openai_responses, anthropic, gemini, bedrock, cohere)
}
