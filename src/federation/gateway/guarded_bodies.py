"""Bodies of operations under a content check: what goes out of them, and what comes back.

Chat is checked in its canonical form; the bodies of other operations are, as they stand. Which
answers hold words is a table, and an operation that is not in it has an answer that is read as
words. The traps: a form may hold text in its files and in their names; an input of token numbers
is text that nobody reads; and the values of a recording come back in its transcript.
"""

from __future__ import annotations

from typing import Final

from federation.errors import Forbidden, InvalidRequest
from federation.gateway.safeguards import Guarding
from federation.schema.operations import (
    EMBEDDINGS,
    IMAGE,
    IMAGE_EDIT,
    MODERATIONS,
    SPEECH,
    Form,
    FormPart,
    OperationGlance,
)

_JSON: Final = b"application/json"
_TEXT: Final = b"text/"
WORDLESS: Final = frozenset((EMBEDDINGS, MODERATIONS, SPEECH))
"""Operations whose answers are vectors, scores and sound."""
PICTURES: Final = frozenset((IMAGE, IMAGE_EDIT))
"""Operations whose answers are pictures, and words beside them in whole answers alone."""
_TOLD: Final = PICTURES
"""Operations whose texts tell a model what to do; in the others they are only worked on."""
_PICTURE_TYPES: Final = ("image/", "video/")
_WORDLESS_TYPES: Final = (b"image/", b"video/")
_LONGEST_CHARACTER: Final = 4
"""Bytes, in UTF-8."""
_MEDIA_TYPES: Final = (*_PICTURE_TYPES, "audio/")


def checked_body(guarding: Guarding, glance: OperationGlance, kind: bytes, body: bytes) -> bytes:
    """The body as it may go out. `kind` is its content type.

    Raises `Forbidden` for content that a policy does not allow, and for what cannot be read where
    it must be.
    """
    if glance.tokens:
        guarding.unread("body", words=True)
    if glance.form is not None:
        return _checked_form(guarding, glance, glance.form, body)
    if media_type(kind) != _JSON:
        guarding.unread("body", words=True)
        return body
    if glance.images:
        guarding.unread("body", words=False)
    text = body.decode()
    if glance.operation in _TOLD:
        guarding.attempt(text, "body")
    return guarding.text(text, "body").encode()


def checked_passage(guarding: Guarding, kind: bytes, query: str, body: bytes) -> bytes:
    """The body of a passage as it may go out; what it is for is not known, so it may tell a model
    what to do. A finding in the query that may not stay refuses it. Raises as `checked_body`."""
    if guarding.text(query, "query") != query:
        raise Forbidden(
            "A policy does not allow what stands in the query. Leave it out and send again.",
            code="content_blocked",
        )
    if not body:
        return body
    text = _decoded(kind, body)
    if text is None:
        guarding.unread("body", words=True)
        return body
    guarding.attempt(text, "body")
    return guarding.text(text, "body").encode()


def checked_answer(guarding: Guarding, operation: str, kind: bytes, body: bytes) -> bytes:
    """An answer as it may be told, with the client's own values back in it. Raises `Forbidden`
    for what a policy does not allow, and for what cannot be read where it must be: anything but
    text, pictures and films. What is text is read as such under any content type."""
    if operation in WORDLESS or not body:
        return body
    text = _decoded(kind, body)
    if text is None and b"\0" not in body:
        text = _utf8(body)
    if text is None:
        guarding.unread("answer", words=not may_be_wordless(kind))
        return body
    return guarding.answer_text(text, "answer").encode()


def may_be_wordless(kind: bytes) -> bool:
    """Whether a content of this type is a picture or a film, by what it says of itself."""
    return media_type(kind).startswith(_WORDLESS_TYPES)


def may_be_text(kind: bytes, beginning: bytes) -> bool:
    """Whether a body of this type that begins so may be text: its type says so, or it is UTF-8
    without a zero as far as it goes. A character that is cut at the end is allowed for, so the
    whole body may turn out to be none."""
    if _is_called_text(kind):
        return True
    if b"\0" in beginning:
        return False
    try:
        beginning.decode()
    except UnicodeDecodeError as error:
        return error.start > 0 and len(beginning) - error.start < _LONGEST_CHARACTER
    return True


def media_type(kind: bytes) -> bytes:
    """A content type without its parameters."""
    return kind.partition(b";")[0].strip().lower()


def _decoded(kind: bytes, body: bytes) -> str | None:
    """The text of a body that is one; None for any other."""
    return _utf8(body) if _is_called_text(kind) else None


def _is_called_text(kind: bytes) -> bool:
    return media_type(kind).endswith(b"json") or media_type(kind).startswith(_TEXT)


def _utf8(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _checked_form(guarding: Guarding, glance: OperationGlance, form: Form, body: bytes) -> bytes:
    changed: dict[int, bytes] = {}
    for index, part in enumerate(form.parts):
        if part.filename is not None:
            _check_name(guarding, part)
        text = _text_of(body, part)
        if text is None:
            picture = glance.operation in PICTURES or part.media_type.startswith(_PICTURE_TYPES)
            guarding.unread(part.name, words=not picture)
            continue
        if glance.operation in _TOLD:
            guarding.attempt(text, part.name)
        after = guarding.text(text, part.name)
        if after != text:
            changed[index] = after.encode()
    return _with_contents(body, form, changed) if changed else body


def _check_name(guarding: Guarding, part: FormPart) -> None:
    name = part.filename or ""
    if guarding.text(name, f"{part.name}.filename") != name:
        raise Forbidden(
            f"A policy does not allow the file's name in {part.name!r}. Rename it and send again.",
            code="content_blocked",
        )


def _text_of(body: bytes, part: FormPart) -> str | None:
    """What a part says; None where it is a file that is no text."""
    content = body[part.value : part.end]
    if part.filename is not None and b"\0" in content[:4096]:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        if part.filename is None:
            raise InvalidRequest(f"'{part.name}' is not UTF-8.", param=part.name) from None
        return None
    return None if part.filename is not None and not _says_text(part, text) else text


def _says_text(part: FormPart, text: str) -> bool:
    if part.media_type.startswith("text/") or part.media_type.endswith(("json", "xml")):
        return True
    media = part.media_type.startswith(_MEDIA_TYPES) or text.startswith("%PDF")
    return text.isprintable() and not media


def _with_contents(body: bytes, form: Form, contents: dict[int, bytes]) -> bytes:
    """The form with other contents in some of its parts. Raises `Forbidden` where a content would
    end its part."""
    delimiter = b"--" + form.boundary
    if any(delimiter in content for content in contents.values()):
        raise Forbidden(
            "The form's boundary stands in its own content. Choose a longer one.",
            code="content_blocked",
        )
    pieces: list[bytes] = []
    at = 0
    for index, content in sorted(contents.items()):
        part = form.parts[index]
        pieces += (body[at : part.value], content)
        at = part.end
    return b"".join((*pieces, body[at:]))
