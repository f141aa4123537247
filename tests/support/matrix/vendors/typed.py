"""Values checked against the vendors' own types, unknown members included."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from matrix.scenes import Answer, Call
from pydantic import BaseModel

Body = dict[str, Any]
KINDS = ("text", "image", "pdf")
BUSY = "You have sent too many requests. Wait a little."
WRONG = "The request is not acceptable: its content is at fault."
DOWN = "The engine is on fire."
MESSAGES = {429: BUSY, 400: WRONG, 500: DOWN}


def materialized(value: Any) -> Any:
    """The value with its lazily validated iterables drawn, so that every item is checked."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, value.model_extra
        return materialized(value.model_dump(exclude_unset=True, mode="json"))
    if isinstance(value, Mapping):
        return {name: materialized(item) for name, item in value.items()}
    if isinstance(value, list | tuple | Iterator) or type(value).__name__ == "ValidatorIterator":
        return [materialized(item) for item in value]
    return value


def same(validated: Any, sent: Any, path: str = "body") -> None:
    """Fail at the first member that the vendor's types left out or changed."""
    if isinstance(sent, dict):
        assert isinstance(validated, dict), path
        assert set(validated) == set(sent), f"{path}: unknown {set(sent) - set(validated)}"
        for name, value in sent.items():
            same(validated[name], value, f"{path}.{name}")
    elif isinstance(sent, list):
        assert len(validated) == len(sent), path
        for index, value in enumerate(sent):
            same(validated[index], value, f"{path}[{index}]")
    else:
        assert validated == sent, f"{path}: {sent!r}"


def known(value: Any, path: str = "body") -> None:
    """Fail for a member that a model took as unknown."""
    if isinstance(value, BaseModel):
        assert not value.model_extra, f"{path}: unknown {value.model_extra}"
        for name in type(value).model_fields:
            known(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            known(item, f"{path}[{index}]")


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def arguments(call: Call) -> str:
    """Arguments as a model writes them: with spaces, and not escaped."""
    return json.dumps(call.arguments, ensure_ascii=False)


def cut(text: str, count: int = 3) -> list[str]:
    """A text in about so many pieces, none empty."""
    size = max(1, -(-len(text) // count))
    return [text[at : at + size] for at in range(0, len(text), size)]


def interleaved(answer: Answer) -> Iterator[tuple[int, str]]:
    """Pieces of the arguments of parallel calls, as some hosts mix them."""
    rows = [cut(arguments(call), 4) for call in answer.calls]
    for at in range(max(map(len, rows), default=0)):
        for number, row in enumerate(rows):
            if at < len(row):
                yield number, row[at]
