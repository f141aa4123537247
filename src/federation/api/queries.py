"""Refuses query parameters that a route does not know.

The trap: frameworks ignore unknown parameters, so a filter with a typing mistake would answer
with everything. This binds every route of the application; a route is exempt in `FOREIGN` only
because somebody else writes its query.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Final

from fastapi import Request
from fastapi.dependencies.models import Dependant

from federation.api.access import Asker
from federation.config.nearest import listed, nearest
from federation.control.sign_in_people import CALLBACK
from federation.errors import InvalidRequest

FOREIGN: Final = frozenset({CALLBACK})
"""Paths whose query others write: RFC 6749, 4.1.2 lets identity providers add to it."""
_SHOWN: Final = 80
_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def known_query(request: Request, _: Asker) -> None:
    """Raise `InvalidRequest` for a parameter that the route does not declare."""
    route = request.scope["route"]
    if route.path in FOREIGN:
        return
    known = list(_declared(route.dependant))
    for name in request.query_params:
        if name not in known:
            raise InvalidRequest(_unknown(name[:_SHOWN], known), param=name[:_SHOWN])


async def whole_characters(request: Request) -> None:
    """Raise `InvalidRequest` for a body that spells half of a surrogate pair: JSON may, and no
    text that can be stored or sent holds it."""
    body = await request.body()
    if _HALF.search(body) is None:
        return
    with contextlib.suppress(ValueError, RecursionError):  # which is told where it is read
        text = json.dumps(json.loads(body), ensure_ascii=False)
        if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
            raise InvalidRequest(
                r"The body spells '\ud800' to '\udfff' alone, which stands for no character."
            )


def _declared(dependant: Dependant) -> Iterator[str]:
    """The query parameters of a route, and of all that it depends on."""
    yield from (field.alias for field in dependant.query_params)
    for below in dependant.dependencies:
        yield from _declared(below)


def _unknown(name: str, known: list[str]) -> str:
    said = f"Unknown query parameter '{name}'"
    if not known:
        return f"{said}: this path takes none."
    return said + (nearest(name, known) or f": this path takes {listed(known)}.")
