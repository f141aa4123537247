"""The list of models as this language's clients read it.

The list has no path of its own: it is `GET /v1/models`, as in two other languages, so that
somebody else has to tell whose client is asking.

Reference: https://docs.cohere.com/reference/list-models
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from federation.domain.catalogue import Model
from federation.errors import InvalidRequest

Named = tuple[str, Model | None]
"""A public name, and the model behind it where there is one."""

_PAGE: Final = 20
_MOST: Final = 1000
_ENDPOINTS: Final = {"chat": "chat", "embeddings": "embed", "rerank": "rerank"}
"""What this language calls an operation."""


def render_models(models: Sequence[Named], terms: dict[str, str]) -> bytes:
    """A page of models. `terms` are the query's `page_size`, `page_token` and `endpoint`;
    raises `InvalidRequest` for a size or token that is no number."""
    size = min(_number(terms, "page_size", _PAGE) or _PAGE, _MOST)
    start = _number(terms, "page_token", 0)
    rows = [_row(*item) for item in models]
    if endpoint := terms.get("endpoint"):
        rows = [row for row in rows if endpoint in row["endpoints"]]
    page: dict[str, Any] = {"models": rows[start : start + size]}
    if start + size < len(rows):
        page["next_page_token"] = str(start + size)
    return msgspec.json.encode(page)


def render_model(name: str, model: Model | None) -> bytes:
    """One model."""
    return msgspec.json.encode(_row(name, model))


def _row(name: str, model: Model | None) -> dict[str, Any]:
    operations = model.operations if model is not None else ("chat",)
    row: dict[str, Any] = {
        "name": name,
        "endpoints": [_ENDPOINTS[one] for one in operations if one in _ENDPOINTS],
        "finetuned": False,
        "is_deprecated": False,
        "features": sorted(model.abilities) if model is not None else [],
    }
    if model is not None and model.context is not None:
        row["context_length"] = model.context
    return row


def _number(terms: dict[str, str], name: str, default: int) -> int:
    text = terms.get(name, "")
    # The official client types the size as a float.
    whole = text.removesuffix(".0")
    if not text:
        return default
    if not (whole.isdecimal() and len(whole) < 7):
        raise InvalidRequest(f"'{name}' must be a number.", param=name)
    return int(whole)
