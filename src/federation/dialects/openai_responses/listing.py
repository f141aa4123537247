"""A page of a stored call's input items, as the API lists them.

The newest item comes first unless the order says otherwise, and `after` names the last item
of the page before.

Reference: https://platform.openai.com/docs/api-reference/responses/input-items
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw

from federation.dialects.openai_responses.fields import NULL, text_or_nothing
from federation.errors import InvalidRequest

_DEFAULT: Final = 20
_MOST: Final = 100
_ORDERS: Final = ("asc", "desc")
_UNREAD: Final = frozenset(("include", "include[]"))
"""What may be asked to be shown besides is there already."""


class _Item(msgspec.Struct):
    id: Raw = NULL
    """A caller may have put anything there."""


_ITEM: Final = msgspec.json.Decoder(_Item)


class Page(msgspec.Struct, frozen=True):
    """Which items of a list are asked for."""

    limit: int = _DEFAULT
    order: str = "desc"
    after: str = ""


def read_page(query: str) -> Page:
    """The page that a query asks for. Raises `InvalidRequest` with the parameter."""
    said: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _UNREAD:
            continue
        if name not in ("limit", "order", "after"):
            raise InvalidRequest(f"The parameter '{name[:64]}' is not known.", param=name[:64])
        if name in said:
            raise InvalidRequest(f"'{name}' is given twice.", code="duplicate_field", param=name)
        said[name] = value
    limit = said.get("limit", str(_DEFAULT))
    if not (limit.isdecimal() and len(limit) < 10 and 1 <= int(limit) <= _MOST):
        raise InvalidRequest(f"'limit' must be a number from 1 to {_MOST}.", param="limit")
    order = said.get("order", "desc")
    if order not in _ORDERS:
        raise InvalidRequest("'order' must be 'asc' or 'desc'.", param="order")
    return Page(int(limit), order, said.get("after", ""))


def input_items(items: Sequence[Raw], page: Page) -> bytes:
    """The answer to `GET /responses/{id}/input_items`. Raises `InvalidRequest` where the page
    begins after an item that is not there."""
    named = [(text_or_nothing(_ITEM.decode(raw).id), raw) for raw in items]
    if page.order == "desc":
        named.reverse()
    if page.after:
        ids = [identity for identity, _ in named]
        if page.after not in ids:
            raise InvalidRequest(
                "'after' names no item of this response.", code="item_not_found", param="after"
            )
        named = named[ids.index(page.after) + 1 :]
    shown = named[: page.limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "data": [raw for _, raw in shown],
            "first_id": shown[0][0] if shown else "",
            "last_id": shown[-1][0] if shown else "",
            "has_more": len(named) > len(shown),
        }
    )
