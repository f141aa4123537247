"""The official client's idea of this dialect's bodies, strictly: nothing it does not know."""

from __future__ import annotations

import warnings
from typing import Any

from google.genai import types
from pydantic import BaseModel

_BODY: dict[str, Any] = {
    "contents": [types.Content],
    "systemInstruction": types.Content,
    "tools": [types.Tool],
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
    "safetySettings": [types.SafetySetting],
    "labels": None,
    "cachedContent": None,
    "serviceTier": types.ServiceTier,
    "store": None,
}
_FREE = frozenset(("args", "response", "parametersJsonSchema", "responseJsonSchema", "schema"))
"""Members whose value is the caller's own."""


def check_body(body: dict[str, Any]) -> None:
    """Every member of a request is one of the official types, in the camelCase spelling."""
    for name, value in body.items():
        kind = _BODY[name]
        for item in value if isinstance(kind, list) else [value]:
            one = kind[0] if isinstance(kind, list) else kind
            if one is not None:
                check(one, item)
    modes = body.get("generationConfig", {}).get("responseModalities", [])
    assert set(modes) <= {mode.value for mode in types.Modality}


def check_answer(body: dict[str, Any], *, long_form: bool = False) -> None:
    """Every member of an answer is one of the official types."""
    found = {name: value for name, value in body.items() if name != "router_metadata"}
    for candidate in found.get("candidates", []):
        cited = candidate.get("citationMetadata")
        if cited is not None and not long_form:
            # The shorter form's own word, which the client renames before it validates.
            cited["citations"] = cited.pop("citationSources")
    check(types.GenerateContentResponse, found)


def check(kind: Any, value: Any) -> None:
    """A value is valid, and comes out again as it went in."""
    if not isinstance(value, dict):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kind(value)
        return
    with warnings.catch_warnings():
        # An unknown word of an enumeration only warns.
        warnings.simplefilter("error")
        model: BaseModel = kind.model_validate(value)
    _same(value, model.model_dump(by_alias=True, exclude_unset=True, mode="json"), kind.__name__)


def _same(sent: Any, kept: Any, where: str) -> None:
    if isinstance(sent, dict) and where.rpartition(".")[2] not in _FREE:
        assert isinstance(kept, dict), where
        for name, value in sent.items():
            assert "_" not in name, f"{where}.{name}"
            assert name in kept, f"{where}.{name}"
            _same(value, kept[name], f"{where}.{name}")
    elif isinstance(sent, list) and isinstance(kept, list):
        assert len(sent) == len(kept), where
        for index, value in enumerate(sent):
            _same(value, kept[index], f"{where}[{index}]")
