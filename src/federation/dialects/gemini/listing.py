"""The list of models as this language's clients read it.

Reference: https://ai.google.dev/api/models
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from federation.domain.catalogue import Model
from federation.errors import InvalidRequest

Named = tuple[str, Model | None]
"""A public name, and the model behind it where there is one."""

_PAGE: Final = 50
_MOST: Final = 1000
_METHODS: Final = {
    "chat": ("generateContent", "countTokens"),
    "embeddings": ("embedContent", "batchEmbedContents"),
}


def render_models(models: Sequence[Named], terms: dict[str, str]) -> bytes:
    """A page of models. `terms` are the query's `pageSize` and `pageToken`; raises
    `InvalidRequest` for one that is no number."""
    size = min(_number(terms, "pageSize", _PAGE) or _PAGE, _MOST)
    start = _number(terms, "pageToken", 0)
    page: dict[str, Any] = {"models": [_row(*item) for item in models[start : start + size]]}
    if start + size < len(models):
        page["nextPageToken"] = str(start + size)
    return msgspec.json.encode(page)


def render_model(name: str, model: Model | None) -> bytes:
    """One model."""
    return msgspec.json.encode(_row(name, model))


def _row(name: str, model: Model | None) -> dict[str, Any]:
    operations = model.operations if model is not None else ("chat",)
    row: dict[str, Any] = {
        "name": f"models/{name}",
        "version": "",
        "displayName": (model.name if model is not None else "") or name,
        "supportedGenerationMethods": [
            method for operation in operations for method in _METHODS.get(operation, ())
        ],
    }
    if model is not None and model.context is not None:
        row["inputTokenLimit"] = model.context
    if model is not None and model.max_output is not None:
        row["outputTokenLimit"] = model.max_output
    return row


def _number(terms: dict[str, str], name: str, default: int) -> int:
    text = terms.get(name, "")
    if not text:
        return default
    if not (text.isdecimal() and len(text) < 7):
        raise InvalidRequest(f"'{name}' must be a number.", param=name)
    return int(text)
