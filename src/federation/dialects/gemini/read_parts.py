"""Reads one part, a client's or a provider's, into the canonical form.

`thoughtSignature` may stand on any kind of part, and `thought` on a text or a picture. What
has no canonical place (how a film is cut, what a part's metadata say) goes along in `extra`;
a part that another dialect could not say at all becomes `Foreign`, as it is.

Reference: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw

from federation.dialects.foreign_parts import refuse_stranger
from federation.dialects.gemini.names import NULL, tidy
from federation.dialects.gemini.tables import NAME, STORED
from federation.dialects.malformed import missing
from federation.dialects.tokenizer import Members, wrong_type
from federation.dialects.whole import is_json
from federation.errors import InvalidRequest
from federation.schema.parts import (
    AUDIO,
    FILE,
    IMAGE,
    VIDEO,
    Fields,
    Foreign,
    Media,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)

STRING: Final = msgspec.json.Decoder(str)
OBJECT: Final = msgspec.json.Decoder(Members)
_TRUE: Final = Raw(b"true")
_NO_ARGUMENTS: Final = Raw(b"{}")
_FAMILIES: Final = {"image": IMAGE, "audio": AUDIO, "video": VIDEO}
_NO_ERROR: Final = frozenset((b"null", b"false", b'""', b"{}"))
_TEXT: Final = frozenset(("text", "thought", "thoughtSignature"))
_DATA: Final = ("inlineData", "fileData")
_FILMED: Final = (".mp4", ".mov", ".webm", "youtube.com/watch", "youtu.be/")


def read_part(part: Members, where: str) -> Text | Thinking | Media | Foreign:
    """A tidied part that is no call and no result. Raises `InvalidRequest`."""
    text = part.get("text")
    if text is not None:
        if len(part) == 1:
            try:
                return Text(STRING.decode(text))
            except msgspec.ValidationError as error:
                raise wrong_type(error, f"{where}.text") from None
        return _read_text(part, text, where)
    for name in _DATA:
        if name in part and part.get("thought") != _TRUE:
            return _read_media(part, name, where)
    if part.keys() <= _TEXT:
        # A signature may come with nothing to sign, at the end of a stream.
        return _read_text(part, Raw(b'""'), where)
    kind = bytes(part.get("type", NULL)).strip(b'"').decode("ascii", "replace")
    refuse_stranger(kind, where, (), "said by a member: text, inlineData or fileData")
    return Foreign(NAME, Raw(msgspec.json.encode(part)))


def _read_text(part: Members, text: Raw, where: str) -> Text | Thinking:
    words = string(text, where, "text")
    signature = read_signature(part, where)
    extra = _rest(part, _TEXT) if part.keys() - _TEXT else {}
    if part.get("thought") == _TRUE:
        return Thinking(words, signature, summary=True, extra=extra)
    return Text(words, signature=signature, extra=extra)


def _read_media(part: Members, name: str, where: str) -> Media:
    found = inner(part[name], f"{where}.{name}")
    place = f"{where}.{name}"
    media_type = string(found["mimeType"], place, "mimeType") if "mimeType" in found else ""
    shown = string(found["displayName"], place, "displayName") if "displayName" in found else ""
    kind = _FAMILIES.get(media_type.partition("/")[0], FILE)
    extra = _rest(part, (name,)) if len(part) > 1 else {}
    if name == "inlineData":
        data = standard(string(_required(found, "data", place), place, "data"))
        return Media(kind, media_type, data=data, name=shown, extra=extra)
    uri = string(_required(found, "fileUri", place), place, "fileUri")
    if STORED.match(uri):
        return Media(kind, media_type, file_id=uri, name=shown, extra=extra)
    if not media_type and any(mark in uri for mark in _FILMED):
        kind = VIDEO
    return Media(kind, media_type, url=uri, name=shown, extra=extra)


def standard(data: str) -> str:
    """Base64 as everybody else takes it. The vendor takes both alphabets, and its own clients
    write the URL-safe one (https://protobuf.dev/programming-guides/json/)."""
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    return data + "=" * (-len(data) % 4)


def read_call(part: Members, where: str, made_id: str) -> ToolCall:
    """The function call of a tidied part; `made_id` is its id where it has none."""
    place = f"{where}.functionCall"
    found = inner(part["functionCall"], place)
    name = string(_required(found, "name", place), place, "name")
    args = bytes(found.get("args", _NO_ARGUMENTS))
    if args[:1] != b"{":
        raise not_an_object(f"{place}.args")
    signature = read_signature(part, where) if "thoughtSignature" in part else ""
    extra = _rest(part, ("functionCall", "thoughtSignature")) if len(part) > 1 else {}
    own = string(found["id"], place, "id") if "id" in found else ""
    return ToolCall(own or made_id, name, args.decode(), signature=signature, extra=extra)


def read_answered_call(part: Members, made_id: str) -> ToolCall:
    """The function call of an answer; some hosts write its arguments as text. Raises
    `InvalidRequest` where it is none."""
    found = inner(part["functionCall"], "functionCall")
    args = found.get("args", _NO_ARGUMENTS)
    if bytes(args)[:1] == b'"':
        text = string(args, "functionCall", "args").strip().encode()
        if text[:1] != b"{" or not is_json(text):
            raise not_an_object("functionCall.args")
        call = Raw(msgspec.json.encode(found | {"args": Raw(text)}))
        part = part | {"functionCall": call}
    return read_call(part, "", made_id)


def not_an_object(param: str) -> InvalidRequest:
    """The refusal of arguments that are no object."""
    return InvalidRequest(f"'{param}' must be an object.", code="invalid_type", param=param)


def read_result(part: Members, where: str) -> ToolResult:
    """The function's result of a tidied part; the call's id is empty where it has none."""
    place = f"{where}.functionResponse"
    found = inner(part["functionResponse"], place)
    name = string(_required(found, "name", place), place, "name")
    own = string(found["id"], place, "id") if "id" in found else ""
    parts, error = _read_response(found.get("response"), place)
    media: tuple[Media, ...] = ()
    if "parts" in found:
        media = tuple(_result_media(found["parts"], f"{place}.parts"))
    known = ("id", "name", "response", "parts")
    extra = _rest(found, known) if found.keys() - set(known) else {}
    return ToolResult(own, parts + media, name, error, extra=extra)


def _read_response(raw: Raw | None, place: str) -> tuple[tuple[Text, ...], bool]:
    """A result's text, and whether it tells of an error.

    `output` and `error` are the vendor's words for a result in one text. Any other object is
    the result itself, and its JSON is the text.
    """
    if raw is None:
        return (), False
    try:
        found = OBJECT.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{place}.response") from None
    failed = bytes(found.get("error", NULL)) not in _NO_ERROR
    if len(found) == 1 and ("output" in found or failed):
        value = found["error" if failed else "output"]
        data = bytes(value)
        if data[:1] == b'"':
            text = STRING.decode(value)
            if text[:1] != "{" or not _is_object(text):
                return (Text(text),), failed
    return (Text(bytes(raw).decode()),), failed


def _is_object(text: str) -> bool:
    """Whether a text would be written as an object of its own."""
    try:
        OBJECT.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _result_media(raw: Raw, where: str) -> list[Media]:
    try:
        items = msgspec.json.decode(raw, type=list[Members])
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None
    media = []
    for index, item in enumerate(items):
        place = f"{where}[{index}]"
        part = tidy(item, place)
        name = next((name for name in _DATA if name in part), None)
        if name is None:
            raise InvalidRequest(
                f"'{place}' must hold inlineData or fileData.", code="invalid_value", param=place
            )
        media.append(_read_media(part, name, place))
    return media


def read_signature(part: Members, where: str) -> str:
    """The state that a part carries; empty where it has none."""
    raw = part.get("thoughtSignature")
    return string(raw, where, "thoughtSignature") if raw is not None else ""


def inner(raw: Raw, where: str) -> Members:
    """The members of an object inside a part."""
    try:
        return tidy(OBJECT.decode(raw), where)
    except msgspec.ValidationError as error:
        raise wrong_type(error, where) from None


def string(raw: Raw, where: str, name: str) -> str:
    """A member that must be text."""
    try:
        return STRING.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, f"{where}.{name}") from None


def _required(found: Members, name: str, where: str) -> Raw:
    raw = found.get(name)
    if raw is None:
        param = f"{where}.{name}"
        raise missing(param)
    return raw


def _rest(found: Members, known: frozenset[str] | tuple[str, ...]) -> Fields:
    return {name: value for name, value in found.items() if name not in known}
