"""A function call whose arguments come bit by bit, put together into the part of a whole one.

Vertex AI streams them where a call asks for it (`streamFunctionCallArguments`): each piece
names the place of a value by a path (RFC 9535), and a text may come in several pieces of the
same path. The traps: the name stands in the first piece alone, places may be visited in any
order, and the last piece is known by what it does not say (`willContinue`).

Reference: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling,
`google.genai.types.PartialArg` (not supported in the Gemini API)
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.names import NULL
from federation.dialects.tokenizer import Members
from federation.errors import InvalidRequest

_STEP: Final = re.compile(
    r"""\.(?P<name>[^.\[\]'"]+)|\[(?P<index>\d{1,6})\]"""
    r"""|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\["(?P<double>(?:[^"\\]|\\.)*)"\]"""
)
_ESCAPED: Final = re.compile(r"\\(.)")
_DEEPEST: Final = 64

Path = tuple[str | int, ...]


class _Piece(msgspec.Struct, rename="camel"):
    json_path: str
    string_value: str | None = None
    number_value: Raw = NULL
    bool_value: bool | None = None
    will_continue: bool = False


class _Call(msgspec.Struct, rename="camel"):
    partial_args: list[_Piece] | None = None
    will_continue: bool | None = None


_CALL: Final = msgspec.json.Decoder(_Call)


def is_partial(part: Members) -> bool:
    """Whether the function call of a part is a piece of one. Raises `InvalidRequest`."""
    found = _read(part)
    return bool(found.partial_args or found.will_continue)


class PartialCall:
    """A call that is coming; `add` every piece, the first included."""

    def __init__(self, part: Members) -> None:
        self._part = dict(part)
        self._args: dict[str, Any] = {}
        self._open: Path | None = None
        """The text that goes on, and its pieces so far."""
        self._texts: list[str] = []

    def add(self, part: Members) -> Members | None:
        """The part of the whole call with the last piece; None before. Raises `InvalidRequest`
        for a piece that belongs nowhere."""
        found = _read(part)
        if "thoughtSignature" in part:
            self._part["thoughtSignature"] = part["thoughtSignature"]
        for piece in found.partial_args or ():
            self._put(piece)
        if found.will_continue:
            return None
        self._close()
        call = msgspec.json.decode(self._part["functionCall"], type=dict[str, Raw])
        for name in ("partialArgs", "partial_args", "willContinue", "will_continue"):
            call.pop(name, None)
        call["args"] = Raw(msgspec.json.encode(self._args))
        return self._part | {"functionCall": Raw(msgspec.json.encode(call))}

    def _put(self, piece: _Piece) -> None:
        path = _path(piece.json_path)
        if piece.string_value is not None:
            if path != self._open:
                self._close()
                self._open = path
                self._place(path, "")
            self._texts.append(piece.string_value)
            if not piece.will_continue:
                self._close()
        elif piece.number_value != NULL:
            self._place(path, piece.number_value)
        else:
            self._place(path, piece.bool_value)

    def _close(self) -> None:
        """The text that came in pieces is whole."""
        if self._open is not None:
            self._place(self._open, "".join(self._texts))
            self._open = None
            self._texts.clear()

    def _place(self, path: Path, value: Any) -> None:
        """Put a value at its place."""
        node: Any = self._args
        for step, following in pairwise(path):
            node = _step(node, step, [] if isinstance(following, int) else {})
        last = path[-1]
        if isinstance(node, list) and isinstance(last, int) and last < len(node):
            node[last] = value
        elif isinstance(node, list):
            _step(node, last, value)
        elif isinstance(node, dict) and isinstance(last, str):
            node[last] = value
        else:
            raise _nowhere()


def _step(node: Any, step: str | int, fresh: Any) -> Any:
    """What stands one step further; `fresh` is put where nothing does."""
    if isinstance(node, dict) and isinstance(step, str):
        return node.setdefault(step, fresh)
    if isinstance(node, list) and isinstance(step, int) and step <= len(node):
        if step == len(node):
            node.append(fresh)
        return node[step]
    raise _nowhere()


def _path(text: str) -> Path:
    steps: list[str | int] = []
    at = 1
    while at < len(text) and len(steps) < _DEEPEST:
        found = _STEP.match(text, at)
        if found is None:
            break
        if found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            quoted = found["single"] if found["single"] is not None else found["double"]
            name = found["name"] if quoted is None else _ESCAPED.sub(r"\1", quoted)
            steps.append(name)
        at = found.end()
    if text[:1] != "$" or not steps or at < len(text):
        raise _nowhere()
    return tuple(steps)


def _read(part: Members) -> _Call:
    try:
        return _CALL.decode(part["functionCall"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _nowhere() from None


def _nowhere() -> InvalidRequest:
    return InvalidRequest(
        "A piece of a function call belongs nowhere.",
        code="invalid_value",
        param="functionCall.partialArgs",
    )
