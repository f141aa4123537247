"""Where the operations of the Converse family live: the model stands in the path.

A model id may be an ARN with slashes and colons, which clients send percent-encoded; so what
stands between the first and the last part of a decoded path is the id, whatever it holds.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

CONVERSE: Final = "converse"
STREAM: Final = "converse-stream"
COUNT: Final = "count-tokens"
_OPERATIONS: Final = (CONVERSE, STREAM, COUNT)
_PREFIX: Final = "/model/"


class Route(msgspec.Struct, frozen=True):
    """What a path asks for."""

    model: str
    operation: str
    """CONVERSE, STREAM or COUNT."""


def route(path: str) -> Route | None:
    """The model and operation in a percent-decoded path; None where it is no path of ours."""
    if not path.startswith(_PREFIX):
        return None
    model, _, operation = path[len(_PREFIX) :].rpartition("/")
    if not model or operation not in _OPERATIONS:
        return None
    return Route(model, operation)


def target(model: str, operation: str) -> str:
    """The path that asks for an operation, percent-encoded."""
    return f"{_PREFIX}{quote(model, safe='')}/{operation}"
