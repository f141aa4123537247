"""Reads a conversation as far as counts go: how many turns, how much text, what is attached.

Parts are never taken apart further than their kind, so a picture of megabytes stays raw. A
text's length is that of its JSON bytes, which escapes make a few percent too long; a bound
may be that. Where the vendor's parser takes a single object for a list, so does this.

Reference: https://ai.google.dev/api/caching#Content
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.names import NULL, tidy
from federation.dialects.gemini.tables import MODEL, ROLES, STORED, USER
from federation.dialects.malformed import check_number
from federation.dialects.storage import in_storage
from federation.dialects.tokenizer import Members, members, objects, wrong_type
from federation.errors import InvalidRequest
from federation.schema.parts import AUDIO, IMAGE

_STRING: Final = msgspec.json.Decoder(str)
_ROLES_RAW: Final = {f'"{role}"'.encode(): role for role in ROLES} | {b"null": USER}
_QUOTE, _BRACE = 0x22, 0x7B
_SAMPLE: Final = 512
CONTENTS: Final = 10_000
"""Most turns in a call: what a million tokens of context hold, and no more work than that."""

KINDS: Final = frozenset(
    (
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
    )
)
"""What a part can be. A part that is none of these is forwarded and reported as unlisted."""


class Tally(msgspec.Struct):
    """What a conversation holds."""

    messages: int = 0
    text: int = 0
    """UTF-8 bytes, at most."""
    images: int = 0
    audio: int = 0
    files: int = 0
    prefill: bool = False
    governed: list[str] = []
    unlisted: list[str] = []


class Turn(msgspec.Struct):
    """A content as nearly every client writes it."""

    role: Raw = NULL
    parts: list[Members] = []


_TURNS: Final = msgspec.json.Decoder(list[Turn])


def read_turns(raw: Raw) -> list[Turn]:
    """The contents, whatever their shape. Raises `InvalidRequest` that names the content.

    Duplicates are not looked for: `read_contents` has done that.
    """
    try:
        return _TURNS.decode(raw)
    except msgspec.ValidationError:
        return [_turn(item, index) for index, item in enumerate(one_or_more(raw, "contents"))]


def _turn(item: Members, index: int) -> Turn:
    found = tidy(item, f"contents[{index}]")
    parts = found.get("parts")
    place = f"contents[{index}].parts"
    return Turn(found.get("role", NULL), one_or_more(parts, place) if parts is not None else [])


def read_contents(raw: Raw) -> Tally:
    """Count a conversation. Raises `InvalidRequest` that names the content and part, also for
    a duplicate key."""
    data = bytes(raw)
    tally = Tally()
    try:
        turns = _TURNS.decode(data)
    except msgspec.ValidationError:
        turns = None
    if turns is None or not _count(data, turns, tally):
        tally = Tally()
        turns = [_turn(item, index) for index, item in enumerate(one_or_more(raw, "contents"))]
        _count(data, turns, tally)
    check_number(turns, "contents", CONTENTS, "turn")
    tally.messages = len(turns)
    tally.prefill = read_role(turns[-1].role, len(turns) - 1) == MODEL
    return tally


def _count(data: bytes, turns: list[Turn], tally: Tally) -> bool:
    """Count the turns' parts; whether they account for every byte of the array that they were
    read from, so that no member stands twice.

    The two ways in which most writers put spaces are tried: the sum of the least lengths is
    that of compact text, and other text is written again to be compared.
    """
    escaped = b"\\u" in data
    length = len(turns) + 1
    text = 0
    for index, turn in enumerate(turns):
        role, parts = turn.role, turn.parts
        if role is NULL:
            length += 12
        else:
            length += 20 + len(role)
            if bytes(role) not in _ROLES_RAW:
                read_role(role, index)
        length += max(len(parts) - 1, 0)
        for number, part in enumerate(parts):
            value = part.get("text")
            if value is not None and len(part) == 1:
                length += len(value) + 9
                words = bytes(value)
                if words[0] == _QUOTE and not (escaped and b"\\u" in words[:_SAMPLE]):
                    text += len(words) - 2
                    continue
            else:
                length += 1 if part else 2
                for name, member in part.items():
                    length += len(name) + len(member) + 4
            place = f"contents[{index}].parts[{number}]"
            _count_part(tidy(part, place), place, tally)
    tally.text += text
    return length == len(data) or _spaced(turns, data.startswith(b'[{"parts"')) == data


def _spaced(turns: list[Turn], parts_first: bool) -> bytes:
    written = []
    for turn in turns:
        parts = b", ".join(
            [
                b"{%b}" % b", ".join([b'"%b": %b' % (k.encode(), v) for k, v in part.items()])
                for part in turn.parts
            ]
        )
        if parts_first:
            written.append(b'{"parts": [%b], "role": %b}' % (parts, turn.role))
        else:
            written.append(b'{"role": %b, "parts": [%b]}' % (turn.role, parts))
    return b"[%b]" % b", ".join(written)


def count_instruction(raw: Raw, tally: Tally) -> None:
    """Add a system instruction's parts to the counts; raises as `read_contents` does."""
    where = "systemInstruction"
    for number, part in enumerate(instruction_parts(raw)):
        place = f"{where}.parts[{number}]"
        _count_part(tidy(part, place), place, tally)


def instruction_parts(raw: Raw) -> list[Members]:
    """The parts of a system instruction. Its role means nothing."""
    where = "systemInstruction"
    parts = tidy(members(bytes(raw), where), where).get("parts")
    return one_or_more(parts, f"{where}.parts") if parts is not None else []


def one_or_more(raw: Raw, where: str) -> list[Members]:
    """The objects of a list, or the one object that stands for it; duplicates refused."""
    data = bytes(raw)
    if data[0] == _BRACE:
        return [members(data, where)]
    return objects(raw, where)


def read_role(raw: Raw, index: int) -> str:
    """The role of a content; the user's where it has none, as the vendor reads it."""
    role = _ROLES_RAW.get(bytes(raw))
    if role is not None:
        return role
    param = f"contents[{index}].role"
    try:
        _STRING.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, param) from None
    raise InvalidRequest(
        f"'{param}' must be user or model; put system text into 'systemInstruction'.",
        code="invalid_value",
        param=param,
    )


def _count_part(part: Members, where: str, tally: Tally) -> None:
    for name, raw in part.items():
        if name in ("inlineData", "fileData"):
            _count_media(raw, f"{where}.{name}", tally)
        elif name == "text":
            tally.text += _length(raw, where)
        elif name != "thoughtSignature":
            tally.text += len(raw)
            if name == "functionResponse":
                _count_result(raw, f"{where}.{name}", tally)
    if KINDS.isdisjoint(part) and not part.keys() <= _SIGNS:
        tally.unlisted.append(f"content.{next(iter(part))[:64]}")


_SIGNS: Final = frozenset(("thought", "thoughtSignature"))


def _length(raw: Raw, where: str) -> int:
    try:
        return len(_STRING.decode(raw).encode())
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.text") from None


def _count_result(raw: Raw, where: str, tally: Tally) -> None:
    """A result's parts can name stored files; their bytes are counted already."""
    data = bytes(raw)
    if data[:1] != b"{" or not (b'"parts"' in data or b"\\" in data):
        return
    parts = tidy(members(data, where), where).get("parts")
    for number, part in enumerate(one_or_more(parts, f"{where}.parts") if parts else ()):
        place = f"{where}.parts[{number}]"
        stored = tidy(part, place).get("fileData")
        if stored is not None:
            _note_stored(tidy(members(bytes(stored), place), place), place, tally)


def is_stored(uri: str) -> bool:
    """Whether a file's address is one that only a provider can open, with our account."""
    return STORED.match(uri) is not None or in_storage(uri)


def _note_stored(found: Members, where: str, tally: Tally) -> None:
    uri = found.get("fileUri")
    if uri is None or "fileData" in tally.governed:
        return
    try:
        if is_stored(_STRING.decode(uri)):
            tally.governed.append("fileData")
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.fileUri") from None


def _count_media(raw: Raw, where: str, tally: Tally) -> None:
    found = tidy(members(bytes(raw), where), where)
    _note_stored(found, where, tally)
    kind = found.get("mimeType")
    try:
        family = _STRING.decode(kind).partition("/")[0] if kind is not None else ""
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.mimeType") from None
    if family == IMAGE:
        tally.images += 1
    elif family == AUDIO:
        tally.audio += 1
    else:
        tally.files += 1
