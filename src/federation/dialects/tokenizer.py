"""Where the members of a JSON object stand in its bytes, with duplicates refused.

msgspec validates the text and gives each value's exact bytes, but it keeps only the last
of two members with the same key. What two parsers could read differently must not pass:
one of them may be a provider that keeps the first. So the members are laid out again over
the text, and any byte that is left over betrays a duplicate:

* in compact text every byte is accounted for by arithmetic. A key's bytes never get fewer
  by escaping and a value's bytes are exact, so a sum that equals the length of the text
  leaves no room for white space, an escaped key or a second member;
* in any other text each key is read where it stands and each value compared in place.
  JSON values end where they end, so by induction every member is where it is said to be.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from federation.dialects.surrogates import lone_half
from federation.errors import InvalidRequest, PayloadTooLarge
from federation.schema.glance import Span

Members: TypeAlias = dict[str, Raw]

_OBJECT: Final = msgspec.json.Decoder(Members)
_OBJECTS: Final = msgspec.json.Decoder(list[Members])
_KEY: Final = msgspec.json.Decoder(str)

CROWD: Final = 50_000
"""Most values in one body: a bomb of `{},{},...` costs a hundred times its size in memory."""
FIELDS: Final = 500
"""Most members at the top of a body."""

_KEYS: Final[dict[str, bytes]] = {}
_KEPT_KEYS, _KEPT_KEY = 512, 32

_SPACE = rb"[ \t\n\r]*"
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_MEMBER = re.compile(
    _SPACE + rb"(,?)" + _SPACE + rb"(" + _STRING + rb")" + _SPACE + rb":" + _SPACE, re.DOTALL
)
_CLOSE = re.compile(_SPACE + rb"\}")
_TOKEN = re.compile(rb"(" + _STRING + rb")" + _SPACE + rb"(:?)|[{}\[\]]", re.DOTALL)
_DEEP, _WALKED = 500, 64 * 1024
"""Levels that are told of, which is fewer than what is refused, and bytes that are walked."""
_UNKNOWN: Final = "Object contains unknown field `"
_AT_BYTE = re.compile(r"^JSON is malformed: (.*) \(byte (\d+)\)$")


def members(text: bytes, where: str = "") -> Members:
    """The members of a JSON object, each with its value's exact bytes.

    `where` is the dotted path of the object in its body, for messages. Raises
    `InvalidRequest` unless the text is one JSON object without a duplicate key.
    """
    found = _parse(text, where)
    length = 1
    for key, value in found.items():
        length += len(key) + len(value) + 4
    if length != len(text) and not _is_spaced(found, text):
        _walk(text, 0, found, where)
    return found


def layout(text: bytes, crowd: int = CROWD) -> tuple[Members, dict[str, Span], int]:
    """The members of a body, the place of each in document order, and of the closing brace.

    Raises as `members` does, and for more than `FIELDS` members; `PayloadTooLarge` for more
    than `crowd` values.
    """
    if len(text) > 4 * CROWD and text.count(b",") > crowd and _is_crowded(text, crowd):
        raise PayloadTooLarge(f"The body holds more than {crowd} JSON values.")
    if not text.isascii():
        _check_utf8(text)
    found = _parse(text, "")
    if len(found) > FIELDS:
        raise InvalidRequest(f"The body has more than {FIELDS} fields.", code="too_many_fields")
    spans: dict[str, Span] = {}
    at = 1
    for key, value in found.items():
        start = at + len(key) + 3
        end = start + len(value)
        spans[key] = Span(at, start, end)
        at = end + 1
    if at == len(text) and found:
        return found, spans, at - 1
    if _is_spaced(found, text):
        return found, _spaced_spans(found), len(text) - 1
    spans, at = _walk(text, 0, found, "")
    return found, spans, at - 1


def objects(text: Raw, where: str) -> list[Members]:
    """The members of each object in an array that a body holds.

    Raises `InvalidRequest` for anything else, and for a duplicate key in one of them.
    """
    found = objects_unchecked(text, where)
    length = len(found) + 1
    for item in found:
        length += 1 if item else 2
        for key, value in item.items():
            length += len(key) + len(value) + 4
    if length != len(text):
        check_objects(bytes(text), found, where)
    return found


def objects_unchecked(text: Raw | bytes, where: str) -> list[Members]:
    """As `objects`, for a caller that does the sum itself and calls `check_objects`."""
    try:
        return _OBJECTS.decode(text)
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None


def check_objects(text: bytes, found: list[Members], where: str) -> None:
    """Raise `InvalidRequest` for a duplicate key in one of an array's objects."""
    if all(found) and _spaced(found) == text:
        return
    at = text.index(b"[") + 1
    for index, item in enumerate(found):
        at = _walk(text, text.index(b"{", at), item, f"{where}[{index}]")[1]


def _spaced(found: list[Members]) -> bytes:
    """An array of objects as most writers that put spaces put them. Text that equals it byte
    for byte has each member once, and nothing else. None of the objects may be empty."""
    pieces: list[bytes | Raw] = []
    lead = b"[{"
    for item in found:
        for key, value in item.items():
            pieces += (lead, _KEYS.get(key) or _keep_key(key), value)
            lead = b", "
        lead = b"}, {"
    pieces.append(b"}]")
    return b"".join(pieces)


def _keep_key(key: str) -> bytes:
    """A member's key and colon. The same few stand in every message, so they are kept."""
    rendered = b'"%b": ' % key.encode()
    if len(key) <= _KEPT_KEY and len(_KEYS) < _KEPT_KEYS:
        _KEYS[key] = rendered
    return rendered


def _is_spaced(found: Members, text: bytes) -> bool:
    """The same for one object: whether it is written like this."""
    return bool(found) and _spaced([found])[1:-1] == text


def _spaced_spans(found: Members) -> dict[str, Span]:
    spans: dict[str, Span] = {}
    at = 1
    for key, value in found.items():
        start = at + len(key.encode()) + 4
        end = start + len(value)
        spans[key] = Span(at, start, end)
        at = end + 2
    return spans


def wrong_type(error: msgspec.ValidationError, where: str) -> InvalidRequest:
    """The refusal for a value of the wrong type: names the field and what belongs there; for a
    member that there is not, names that."""
    said, _, path = str(error).partition(" - at `$")
    param = (where + path.rstrip("`")).lstrip(".")
    if said.startswith(_UNKNOWN):
        param = f"{param}.{said.removeprefix(_UNKNOWN).rstrip('`')}".lstrip(".")
        return InvalidRequest(f"There is no field '{param}'.", code="unknown_field", param=param)
    expected = said.replace("`", "").replace(" | ", " or ")
    return InvalidRequest(
        f"Wrong value for '{param}': {expected[:1].lower()}{expected[1:]}.",
        code="invalid_type",
        param=param,
    )


def _parse(text: bytes, where: str) -> Members:
    try:
        return _OBJECT.decode(text)
    except msgspec.ValidationError as error:
        if where:
            raise wrong_type(error, where) from None
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json") from None
    except msgspec.DecodeError as error:
        reason = _reason(str(error), text)
        raise InvalidRequest(
            f"The body is not valid JSON: {reason}.", code="invalid_json"
        ) from None
    except RecursionError:
        raise InvalidRequest(
            f"The body's JSON is nested too deeply{_deep_at(text)}.", code="invalid_json"
        ) from None


def _deep_at(text: bytes) -> str:
    """Where, if that stands near the begin of the text: whoever nests does so there, and nobody
    should wait for a walk through all of it."""
    depth = 0
    for token in _TOKEN.finditer(text, 0, _WALKED):
        depth += (token[0] in (b"{", b"[")) - (token[0] in (b"}", b"]"))
        if depth > _DEEP:
            return f": more than {_DEEP} levels at byte {token.start()}"
    return ""


def _reason(said: str, text: bytes) -> str:
    if text.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark at byte 0; send plain UTF-8"
    if (at := lone_half(text)) is not None:
        return (
            f"the escape at byte {at} is half of a surrogate pair: a text was cut inside of "
            "a character. Cut it between characters, or leave the half out"
        )
    match = _AT_BYTE.match(said)
    return f"{match[1]} at byte {match[2]}" if match else f"it breaks off at byte {len(text)}"


def _check_utf8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"The body is not UTF-8: {error.reason} at byte {error.start}.", code="invalid_json"
        ) from None


def _is_crowded(text: bytes, crowd: int) -> bool:
    """Whether more commas than allowed stand outside of strings."""
    bare = text.replace(rb"\\", b"").replace(rb"\"", b"")
    if bare.count(b'"') > 4 * crowd:
        return True
    return sum(piece.count(b",") for piece in bare.split(b'"')[::2]) > crowd


def _walk(text: bytes, at: int, found: Members, where: str) -> tuple[dict[str, Span], int]:
    """The place of each member of the object that opens at or after `at`, and its end."""
    opening = text.index(b"{", at)
    at = opening + 1
    comma = b""
    spans: dict[str, Span] = {}
    for key, value in found.items():
        # Most writers that put spaces put them like this; the pattern serves the others.
        likely = b'%b"%b": ' % (comma, key.encode())
        opens, start = at + len(comma), at + len(likely)
        plain = text.startswith(likely, at) and "\\" not in key
        if not (plain and text.startswith(value, start)):
            match = _MEMBER.match(text, at)
            if (
                match is None
                or match[1] != comma[:1]
                or not _is_key(match[2], key)
                or not text.startswith(value, match.end())
            ):
                raise _duplicate(text[opening:], where)
            opens, start = match.start(2), match.end()
        at = start + len(value)
        spans[key] = Span(opens, start, at)
        comma = b", "
    close = _CLOSE.match(text, at)
    if close is None:
        raise _duplicate(text[opening:], where)
    return spans, close.end()


def _is_key(token: bytes, key: str) -> bool:
    if b"\\" in token:
        return _KEY.decode(token) == key
    return token[1:-1] == key.encode()


def _duplicate(text: bytes, where: str) -> InvalidRequest:
    """Name the key that the object at the start of the text, which is valid, has twice."""
    keys: Counter[str] = Counter()
    tokens = _TOKEN.finditer(text, 1)
    depth = 1
    while depth:
        token = next(tokens)
        if token[0] in (b"{", b"["):
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
        elif token[2] and depth == 1:
            keys[_KEY.decode(token[1])] += 1
    name = keys.most_common(1)[0][0]
    param = f"{where}.{name}" if where else name
    return InvalidRequest(
        f"The field '{param}' stands twice in the body; send it once.",
        code="duplicate_field",
        param=param,
    )
