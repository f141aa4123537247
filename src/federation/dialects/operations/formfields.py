"""What every glance at a form does: its texts, its files, and a place for each other name.

A list is written with brackets (`image[]`), a nested member with a name in them
(`svg[model]`). A text that stands twice, or that is also written as a list, is refused: one
reader takes the first, another the last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from msgspec import Raw

from federation.dialects.ask import read_ask
from federation.dialects.openai.tables import GOVERNED, LISTED
from federation.dialects.operations import forms
from federation.dialects.operations.wire import OperationWire
from federation.dialects.tokenizer import members
from federation.errors import InvalidRequest
from federation.schema.glance import Ask
from federation.schema.http import ClientRequest, WireRequest
from federation.schema.operations import Form, FormPart, OperationGlance

_OWN: Final = "federation"
_NUMBER = re.compile(r"\d{1,9}")
_FLAGS: Final = {"true": True, "false": False, "": False, "1": True, "0": False}
_LONGEST_NAME: Final = 256


@dataclass(frozen=True, slots=True)
class FormFields:
    """What an operation knows of a form's fields.

    `texts` may stand once; `files` are pictures and sounds; `lists` may stand more often,
    with or without brackets; `governed` as in bodies of JSON.
    """

    texts: frozenset[str]
    files: frozenset[str]
    lists: frozenset[str] = frozenset()
    governed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """A form that was looked at."""

    form: Form
    ask: Ask
    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[FormPart]] = field(default_factory=dict)
    governed: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()

    @property
    def model(self) -> str | None:
        """The model that the form names."""
        return self.texts.get("model") or None

    @property
    def media_bytes(self) -> int:
        """Size of its files."""
        return sum(part.end - part.value for parts in self.files.values() for part in parts)


def look(request: ClientRequest, known: FormFields) -> Seen:
    """Look at a form. Raises `InvalidRequest` with the part's name, and as `forms.read_form`."""
    body = request.body
    form = forms.read_form(request.headers.get(b"content-type", b""), body)
    texts: dict[str, str] = {}
    files: dict[str, list[FormPart]] = {}
    governed: dict[str, None] = {}
    unlisted: dict[str, None] = {}
    own: Raw | None = None
    for part in form.parts:
        base = part.name.partition("[")[0]
        if base in known.files:
            _check_once(part, base, files, known)
            files.setdefault(base, []).append(part)
        elif base in known.texts or base == _OWN:
            if part.name != base or base in texts or (base == _OWN and own is not None):
                raise _twice(base)
            if part.filename is not None:
                raise InvalidRequest(f"'{base}' must be a text, not a file.", param=base)
            text = forms.text_of(body, part)
            if base == _OWN:
                own = _object(text)
            else:
                texts[base] = text
        elif base in known.governed or base in GOVERNED:
            governed[base] = None
        elif base not in known.lists and base not in LISTED:
            unlisted[base] = None
    if len(texts.get("model", "")) > _LONGEST_NAME:
        raise InvalidRequest(f"'model' is longer than {_LONGEST_NAME} characters.", param="model")
    ask = read_ask(own, request.headers)
    return Seen(form, ask, texts, files, tuple(governed), tuple(unlisted))


def integer(seen: Seen, name: str, least: int, most: int) -> int | None:
    """A text that must be a whole number; None where it is missing. Raises `InvalidRequest`."""
    text = seen.texts.get(name)
    if text is None or text == "":
        return None
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if not least <= number <= most:
        raise InvalidRequest(f"'{name}' must be a number from {least} to {most}.", param=name)
    return number


def flag(seen: Seen, name: str) -> bool:
    """A text that must be true or false. Raises `InvalidRequest`."""
    value = _FLAGS.get(seen.texts.get(name, "").lower())
    if value is None:
        raise InvalidRequest(f"'{name}' must be true or false.", param=name)
    return value


def forward_form(
    wire: OperationWire, glance: OperationGlance, request: ClientRequest
) -> WireRequest:
    """The client's form with the model's name put in and our own part out; files untouched."""
    form = glance.form
    if form is None:
        raise InvalidRequest("The body must be a form.", code="invalid_form")
    chat = wire.chat
    dropped = [part.name for part in form.parts if part.name.partition("[")[0] in chat.drop]
    body = forms.splice_form(request.body, form, {"model": wire.model.encode()}, (_OWN, *dropped))
    accept = b"text/event-stream" if glance.stream else b"*/*"
    headers = (
        (b"content-type", b'multipart/form-data; boundary="%b"' % form.boundary),
        (b"accept", accept),
        *wire.bare,
    )
    return WireRequest("POST", chat.origin, wire.target, headers, body)


def _check_once(
    part: FormPart, base: str, files: dict[str, list[FormPart]], known: FormFields
) -> None:
    if base in files and base not in known.lists:
        raise _twice(base)
    if part.name not in (base, f"{base}[]"):
        raise InvalidRequest(f"'{part.name}' is not a name for a file.", param=part.name)


def _object(text: str) -> Raw:
    raw = text.encode()
    members(raw, _OWN)
    return Raw(raw)


def _twice(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"The field '{name}' stands twice in the form; send it once.",
        code="duplicate_field",
        param=name,
    )
