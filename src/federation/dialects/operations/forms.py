"""Reads a multipart/form-data body without copying its files, and changes single parts of it.

Two parsers must never see two forms: one of them is the provider's. So whatever readers
are known to disagree on is refused, though a standard may allow it: text before the first
delimiter or after the last, bare line feeds, folded header lines, a part's content that
holds the delimiter in any position, escaped quotes in parameters, nested multiparts,
transfer encodings, and names that are not plain.

Reference: RFC 7578, RFC 2046 section 5.1
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from federation.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from federation.schema.operations import Form, FormPart

MOST_PARTS: Final = 32
MOST_HEAD_BYTES: Final = 4096
MOST_TEXT_BYTES: Final = 1_048_576
"""Largest content of a part that is read as text."""

_TYPE = re.compile(
    rb"multipart/form-data[ \t]*;[ \t]*boundary="
    rb"(?:\"([0-9A-Za-z'()+_,./:=?-]{1,70})\"|([0-9A-Za-z'+_.-]{1,70}))"
    rb"(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?[ \t]*",
    re.IGNORECASE,
)
_LINE = re.compile(rb"([A-Za-z-]{1,64}):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_DISPOSITION = re.compile(rb"form-data[ \t]*", re.IGNORECASE)
_PARAM = re.compile(
    rb";[ \t]*([A-Za-z]+\*?)=(?:\"([^\"\x00-\x1f\x7f]*)\"|([^\s\";,\x00-\x1f\x7f]+))[ \t]*"
)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(?:\[[A-Za-z0-9_.-]{0,63}\]){0,3}")
_MEDIA_TYPE = re.compile(
    rb"([A-Za-z0-9!#$&^_.+-]{1,64}/[A-Za-z0-9!#$&^_.+-]{1,96})(?:[ \t]*;[\x20-\x7e]*)?"
)
_KNOWN: Final = frozenset(
    (b"content-disposition", b"content-type", b"content-length", b"content-transfer-encoding")
)
_PLAIN_ENCODINGS: Final = frozenset((b"binary", b"8bit", b"7bit"))


def boundary_of(content_type: bytes) -> bytes:
    """The boundary that a content type names. Raises `UnsupportedMedia` for any other type,
    and for a boundary or a parameter that readers could take differently."""
    match = _TYPE.fullmatch(content_type.strip())
    if match is None:
        raise UnsupportedMedia(
            "Send this request as multipart/form-data with a boundary of 1 to 70 letters, "
            "digits, '-', '_', '.' or '+'."
        )
    return match[1] or match[2]


def read_form(content_type: bytes, body: bytes) -> Form:
    """The places of a form's parts. Linear in the body's size, and copies no file.

    Raises `InvalidRequest` for anything that is not plainly a form, `PayloadTooLarge` for more
    than `MOST_PARTS` parts, and as `boundary_of` does.
    """
    boundary = boundary_of(content_type)
    delimiter = b"--" + boundary
    if not body.startswith(delimiter):
        raise _bad("does not begin with its delimiter")
    parts: list[FormPart] = []
    opening, at = 0, len(delimiter)
    while body[at : at + 2] != b"--":
        if body[at : at + 2] != b"\r\n":
            raise _bad("has a delimiter that does not end its line with CR LF")
        if len(parts) == MOST_PARTS:
            raise PayloadTooLarge(f"The form has more than {MOST_PARTS} parts.")
        value = body.find(b"\r\n\r\n", at, at + MOST_HEAD_BYTES) + 4
        if value < 4:
            raise _bad(f"has a part whose header does not end within {MOST_HEAD_BYTES} bytes")
        found = body.find(delimiter, value)
        end = found - 2
        if end < value or body[end:found] != b"\r\n":
            raise _bad("breaks off, or has its delimiter inside a part")
        parts.append(_part(body[at + 2 : value - 4], opening, value, end))
        opening, at = found, found + len(delimiter)
    if not parts or body[at + 2 :] not in (b"", b"\r\n"):
        raise _bad("holds no part, or something after its end")
    return Form(boundary, tuple(parts), opening - 2)


def text_of(body: bytes, part: FormPart) -> str:
    """A part's content as text. Raises `InvalidRequest` with the part's name."""
    if part.end - part.value > MOST_TEXT_BYTES:
        raise InvalidRequest(
            f"'{part.name}' is longer than {MOST_TEXT_BYTES} bytes.", param=part.name
        )
    try:
        return body[part.value : part.end].decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"'{part.name}' is not UTF-8.", param=part.name) from None


def splice_form(
    body: bytes, form: Form, values: dict[str, bytes], drop: Iterable[str] = ()
) -> bytes:
    """The form with the content of some parts replaced, put in where missing, or taken out.

    A value is plain text of one line that does not begin with two hyphens, so that it can
    never hold a delimiter; `ValueError` otherwise. Everything else stays as it is, byte for byte.
    """
    if any(b"\r" in new or b"\n" in new or new.startswith(b"--") for new in values.values()):
        raise ValueError("a part's new content must be one line and no delimiter")
    gone = frozenset(drop) - values.keys()
    pieces: list[bytes | memoryview] = []
    present = {part.name for part in form.parts}
    for name, new in values.items():
        if name not in present:
            head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
            pieces.append(head % (form.boundary, name.encode(), new))
    # Views, because a slice would copy megabytes that `join` copies anyway.
    view = memoryview(body)
    at = 0
    for index, part in enumerate(form.parts):
        if part.name in gone:
            pieces.append(view[at : part.opening])
            following = form.parts[index + 1 :]
            at = following[0].opening if following else form.closing + 2
        elif part.name in values:
            pieces += (view[at : part.value], values[part.name])
            at = part.end
    pieces.append(view[at:])
    return b"".join(pieces)


def _part(head: bytes, opening: int, value: int, end: int) -> FormPart:
    lines = _head_lines(head)
    coding = lines.get(b"content-transfer-encoding")
    if coding is not None and coding.lower() not in _PLAIN_ENCODINGS:
        raise _bad("has a part with a transfer encoding; send the bytes as they are")
    length = lines.get(b"content-length")
    if length is not None and length != b"%d" % (end - value):
        raise _bad("has a part whose Content-Length is not its length")
    name, filename = _disposition(lines.get(b"content-disposition"))
    media_type = _media_type(lines.get(b"content-type"))
    return FormPart(name, filename, media_type, opening, value, end)


def _head_lines(head: bytes) -> dict[bytes, bytes]:
    lines = head.split(b"\r\n")
    found: dict[bytes, bytes] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        name = match[1].lower() if match else b""
        if match is None or name not in _KNOWN:
            raise _bad("has a part with a header line that is not understood")
        if name in found:
            raise _bad("has a part with the same header line twice")
        found[name] = match[2].strip()
    return found


def _disposition(line: bytes | None) -> tuple[str, str | None]:
    match = _DISPOSITION.match(line) if line is not None else None
    if match is None or line is None:
        raise _bad("has a part without 'Content-Disposition: form-data; name=\"...\"'")
    params: dict[bytes, bytes] = {}
    at = match.end()
    while at < len(line):
        param = _PARAM.match(line, at)
        if param is None or param[1].lower() in params:
            raise _bad("has a part with a Content-Disposition that is not understood")
        content = param[2] if param[2] is not None else param[3]
        # One reader takes a backslash for itself, another for an escape of the quote after it.
        if content.endswith(b"\\"):
            raise _bad("has a part with a backslash before a quote")
        params[param[1].lower()] = content
        at = param.end()
    if not params.keys() <= {b"name", b"filename", b"filename*"}:
        raise _bad("has a part with a parameter other than name and filename")
    name = params.get(b"name", b"").decode("latin-1")
    if _NAME.fullmatch(name) is None:
        raise _bad("has a part whose name is missing or not plain letters, digits, '_', '-', '.'")
    filename = params.get(b"filename", params.get(b"filename*"))
    return name, None if filename is None else filename.decode("utf-8", "replace")


def _media_type(line: bytes | None) -> str:
    if line is None:
        return ""
    match = _MEDIA_TYPE.fullmatch(line)
    if match is None or match[1].lower().startswith(b"multipart/"):
        raise _bad("has a part with a Content-Type that cannot be taken")
    return match[1].decode().lower()


def _bad(problem: str) -> InvalidRequest:
    return InvalidRequest(f"The multipart body {problem}.", code="invalid_form")
