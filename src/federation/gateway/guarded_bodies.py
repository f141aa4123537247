"""Bodies of operations under a content check: what goes out of them, and what comes back.

Chat is checked in its canonical form; the bodies of other operations are, as they stand. Which
answers hold words is a table, and an operation that is not in it has an answer that is read as
words. The traps: a form may hold text in its files and in their names; an input of token numbers
is text that nobody reads; and the values of a recording come back in its transcript.
"""

from __future__ import annotations

from typing import Final

from federation.dialects.operations.passthrough import Passage
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
_PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_WORDLESS_TYPES: Final = (b"image/", b"video/")
_LONGEST_CHARACTER: Final = 4
"""Bytes, in UTF-8."""


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


def checked_passage(guarding: Guarding, kind: bytes, passage: Passage) -> bytes:
    """The body of a passage as it may go out; what it is for is not known, so it may tell a model
    what to do. A finding in the query or a header that may not stay refuses it. Raises as
    `checked_body`."""
    _check_beside(guarding, passage.query, "query")
    for name, value in passage.headers:
        _check_beside(guarding, value.decode("utf-8", "replace"), f"header {name.decode()}")
    body = passage.body
    if not body:
        return body
    text = _decoded(kind, body)
    if text is None:
        guarding.unread("body", words=True)
        return body
    guarding.attempt(text, "body")
    return guarding.text(text, "body").encode()


def _check_beside(guarding: Guarding, said: str, where: str) -> None:
    if guarding.text(said, where.partition(" ")[0]) != said:
        raise Forbidden(
            f"A policy does not allow what stands in the {where}. Leave it out and send again.",
            code="content_blocked",
        )


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
    _check_frame(guarding, form.boundary, "The form's boundary")
    for index, part in enumerate(form.parts):
        head = body[part.opening + len(form.boundary) + 2 : part.value]
        _check_frame(guarding, head, f"The head of the form's part {index + 1}")
        text = _text_of(body, part)
        if text is None:
            # What it is called is its sender's word; a film has a sound track.
            picture = glance.operation in PICTURES and _is_picture(body, part)
            guarding.unread(part.name, words=not picture)
            continue
        if glance.operation in _TOLD:
            guarding.attempt(text, part.name)
        after = guarding.text(text, part.name)
        if after != text:
            changed[index] = after.encode()
    return _with_contents(body, form, changed) if changed else body


def _check_frame(guarding: Guarding, frame: bytes, what: str) -> None:
    """Refuse what stands around a form's contents: names of fields and files, types, the boundary.
    They go out as they are, so nothing in them can be taken out."""
    # Two apostrophes end the language of a name in RFC 8187's form; no value holds them.
    said = frame.decode("utf-8", "replace").replace("''", " ").strip()
    if guarding.text(said, "form") != said:
        raise Forbidden(
            f"{what} holds what a policy does not allow to leave: look at the names of fields and "
            "files, and at their types.",
            code="content_blocked",
        )


def _is_picture(body: bytes, part: FormPart) -> bool:
    """Whether a file begins as one, whatever it is called."""
    beginning = body[part.value : min(part.end, part.value + 12)]
    return beginning.startswith(_PICTURES) or (
        beginning.startswith(b"RIFF") and beginning.endswith(b"WEBP")
    )


def _text_of(body: bytes, part: FormPart) -> str | None:
    """What a part says; None where it is a file that is no text, whatever it is called. A document
    may be text as far as its bytes go; its words are packed all the same."""
    content = body[part.value : part.end]
    if part.filename is not None and (b"\0" in content or content.startswith(b"%PDF")):
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        if part.filename is None:
            raise InvalidRequest(f"'{part.name}' is not UTF-8.", param=part.name) from None
        return None


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
