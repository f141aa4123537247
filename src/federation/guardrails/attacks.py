"""Classes of attack on a model, and the shape of a tripwire for one.

The classes follow what is published about jailbreak prompts and the OWASP list for
applications of language models (LLM01, prompt injection).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OVERRIDE: Final = "override"
PERSONA: Final = "persona"
SUPPRESSION: Final = "suppression"
EXTRACTION: Final = "extraction"
AUTHORITY: Final = "authority"
ROLE_TOKEN: Final = "role_token"  # noqa: S105 - a class
DELIMITER: Final = "delimiter"
ENCODED: Final = "encoded"
MANY_SHOT: Final = "many_shot"
TOOL_ABUSE: Final = "tool_abuse"
CLASSES: Final = (
    OVERRIDE,
    PERSONA,
    SUPPRESSION,
    EXTRACTION,
    AUTHORITY,
    ROLE_TOKEN,
    DELIMITER,
    ENCODED,
    MANY_SHOT,
    TOOL_ABUSE,
)


@dataclass(frozen=True, slots=True)
class Tripwire:
    """One pattern. `hint`: words of which the text must hold one for the pattern to be looked for;
    some leave out what the pattern alone would find among honest texts, too. `spared`: what makes
    an occurrence say the opposite, from a few signs before it on; empty where nothing does. `end`:
    what each occurrence ends with; empty where its begin is as rare. It is looked for from there:
    signs that are counted behind each of many begins make an automaton without an end."""

    attack: str
    weight: float
    hint: str
    pattern: str
    spared: str = ""
    end: str = ""
