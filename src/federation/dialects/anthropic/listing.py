"""The list of models as this language's clients read it.

Reference: https://docs.anthropic.com/en/api/models-list
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from federation.domain.catalogue import Model
from federation.errors import InvalidRequest

Named = tuple[str, Model | None]
"""A public name, and the model behind it where there is one."""

_MOST: Final = 1000
_PAGE: Final = 20
_EPOCH: Final = "1970-01-01T00:00:00Z"
"""What this language says of a model whose release date is unknown."""


def render_models(models: Sequence[Named], terms: dict[str, str]) -> bytes:
    """A page of models. `terms` are the query's `limit`, `after_id` and `before_id`; raises
    `InvalidRequest` for a limit that is none."""
    rows = [render_row(name, model) for name, model in models]
    ids = [name for name, _ in models]
    limit = _limit(terms.get("limit"))
    first = ids.index(terms["after_id"]) + 1 if terms.get("after_id") in ids else 0
    backwards = terms.get("before_id") in ids
    end = max(first, ids.index(terms["before_id"])) if backwards else len(rows)
    start = max(first, end - limit) if backwards else first
    page = rows[start : min(end, start + limit)]
    return msgspec.json.encode(
        {
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            # In the direction in which the client goes on.
            "has_more": start > first if backwards else start + limit < end,
        }
    )


def render_model(name: str, model: Model | None) -> bytes:
    """One model."""
    return msgspec.json.encode(render_row(name, model))


def render_row(name: str, model: Model | None) -> dict[str, Any]:
    """One row of the list."""
    row: dict[str, Any] = {
        "type": "model",
        "id": name,
        "display_name": (model.name if model is not None else "") or name,
        "created_at": _EPOCH,
    }
    if model is not None and model.context is not None:
        row["max_input_tokens"] = model.context
    if model is not None and model.max_output is not None:
        row["max_tokens"] = model.max_output
    return row


def _limit(text: str | None) -> int:
    if text is None:
        return _PAGE
    if not (text.isdecimal() and len(text) < 6 and 1 <= int(text) <= _MOST):
        raise InvalidRequest(f"'limit' must be a number from 1 to {_MOST}.", param="limit")
    return int(text)
