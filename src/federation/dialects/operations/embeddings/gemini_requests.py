"""The entries of a Gemini embedding call: read from a single body or from a batch.

Reference: https://ai.google.dev/api/embeddings#EmbedContentRequest
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.gemini.contents import is_stored
from federation.dialects.gemini.paths import EMBED, EMBED_BATCH
from federation.dialects.malformed import missing
from federation.dialects.operations import fields
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout, members, objects, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Edits, Span
from federation.schema.operations import EmbeddingInput, Mixed
from federation.schema.parts import AUDIO, FILE, IMAGE, VIDEO, Fields, Media, Text

SINGLE, BATCHED = EMBED, EMBED_BATCH
_PREFIX: Final = "models/"
_TYPES: Final = {
    "content": fields.Object | None,
    "model": fields.Name | None,
    "outputDimensionality": fields.Count | None,
    "output_dimensionality": fields.Count | None,
    "taskType": str | None,
    "task_type": str | None,
    "title": str | None,
}
KNOWN: Final = fields.known(_TYPES)
KNOWN_BATCH: Final = fields.known({"requests": list[Raw] | None})


class Entry(msgspec.Struct, frozen=True):
    """One thing to embed, with what is said about it."""

    parts: tuple[Text | Media, ...]
    task: str
    title: str
    dimensions: int | None
    extra: Fields

    @property
    def text_bytes(self) -> int:
        """UTF-8 bytes of its text."""
        return fields.utf8_size([part.text for part in self.parts if isinstance(part, Text)])

    @property
    def media(self) -> int:
        """Size of its pictures and files, as they are written."""
        return sum([len(part.data) or 1 for part in self.parts if isinstance(part, Media)])


class _Blob(msgspec.Struct):
    mimeType: str = ""  # noqa: N815 (the vendor's name)
    mime_type: str = ""
    data: str = ""
    fileUri: str = ""  # noqa: N815 (the vendor's name)
    file_uri: str = ""


class _Part(msgspec.Struct):
    text: str | None = None
    inlineData: _Blob | None = None  # noqa: N815 (the vendor's name)
    inline_data: _Blob | None = None
    fileData: _Blob | None = None  # noqa: N815 (the vendor's name)
    file_data: _Blob | None = None


_PARTS: Final = msgspec.json.Decoder(list[_Part])
_BLOBS: Final = frozenset(("inlineData", "inline_data", "fileData", "file_data"))
_KINDS: Final = {"image": IMAGE, "audio": AUDIO, "video": VIDEO}


def read(body: fields.Body, method: str, model: str) -> list[Entry]:
    """The entries of a call. Raises `InvalidRequest` with the field; also for an entry whose
    model is not the one in the path."""
    if method == SINGLE:
        return [_entry(body.found, body.values, "", model)]
    fields.required(body, "requests")
    items = body.values["requests"]
    if not items:
        raise InvalidRequest("'requests' is empty.", param="requests")
    entries = []
    for index, raw in enumerate(items):
        where = f"requests[{index}]"
        found = members(bytes(raw), where)
        entries.append(_entry(found, _values(found, where), f"{where}.", model))
    return entries


def governed(entries: list[Entry]) -> tuple[str, ...]:
    """The governed field that stands for files under our account, where one is named."""
    media = (part for entry in entries for part in entry.parts if isinstance(part, Media))
    return ("fileData",) if any(is_stored(part.url) for part in media if part.url) else ()


def unlisted(entries: list[Entry]) -> tuple[str, ...]:
    """Names in the entries that no list has."""
    return tuple(dict.fromkeys(name for entry in entries for name in entry.extra))


def canonical(entry: Entry) -> EmbeddingInput:
    """The entry's content: a text where it is one."""
    only = entry.parts[0]
    return only.text if len(entry.parts) == 1 and isinstance(only, Text) else Mixed(entry.parts)


def renamed(body: bytes, spans: dict[str, Span], model: str) -> dict[str, bytes]:
    """The members of the body that name the model, with another name in them."""
    name = msgspec.json.encode(_PREFIX + model)
    values: dict[str, bytes] = {}
    if "model" in spans:
        values["model"] = name
    if "requests" in spans:
        span = spans["requests"]
        entries = msgspec.json.decode(body[span.value : span.end], type=list[Raw])
        written = []
        for raw in entries:
            text = bytes(raw)
            _, places, end = layout(text)
            written.append(splice(text, places, end, Edits({"model": name})))
        values["requests"] = b"[%b]" % b",".join(written)
    return values


def _values(found: dict[str, Raw], where: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, raw in found.items():
        decoder = KNOWN.types.get(name)
        if decoder is not None:
            try:
                values[name] = decoder.decode(raw)
            except msgspec.ValidationError as error:
                raise wrong_type(error, f"{where}.{name}") from None
    return values


def _entry(found: dict[str, Raw], values: dict[str, Any], where: str, model: str) -> Entry:
    named = values.get("model")
    if named is not None and named.removeprefix(_PREFIX) != model:
        raise InvalidRequest(
            f"'{where}model' is not the model in the path; leave it out or repeat that.",
            param=f"{where}model",
        )
    return Entry(
        _content(found.get("content"), f"{where}content"),
        _either(values, "taskType", "task_type", where) or "",
        values.get("title") or "",
        _either(values, "outputDimensionality", "output_dimensionality", where),
        {
            name: raw
            for name, raw in found.items()
            if name not in KNOWN.types and name != "federation"
        },
    )


def _either(values: dict[str, Any], camel: str, snake: str, where: str) -> Any:
    if camel in values and snake in values:
        raise InvalidRequest(
            f"'{where}{camel}' is also given as '{snake}'; send it once.",
            code="duplicate_field",
            param=f"{where}{camel}",
        )
    return values.get(camel, values.get(snake))


def _content(raw: Raw | None, where: str) -> tuple[Text | Media, ...]:
    if raw is None:
        raise missing(where)
    listed = members(bytes(raw), where).get("parts")
    place = f"{where}.parts"
    found = objects(listed, place) if listed is not None else []
    if listed is None or not found:
        raise InvalidRequest(f"'{place}' is empty.", param=place)
    try:
        parts = _PARTS.decode(listed)
    except msgspec.ValidationError as error:
        raise wrong_type(error, place) from None
    for at, item in enumerate(found):
        for name in _BLOBS.intersection(item):
            members(bytes(item[name]), f"{place}[{at}].{name}")
    return tuple([_part(part, f"{place}[{at}]") for at, part in enumerate(parts)])


def _part(part: _Part, where: str) -> Text | Media:
    if part.text is not None:
        return Text(part.text)
    blob = part.inlineData or part.inline_data or part.fileData or part.file_data
    if blob is None or not (blob.data or blob.fileUri or blob.file_uri):
        raise InvalidRequest(f"'{where}' must have text, inlineData or fileData.", param=where)
    media_type = blob.mimeType or blob.mime_type
    kind = _KINDS.get(media_type.partition("/")[0], FILE)
    return Media(kind, media_type, data=blob.data, url=blob.fileUri or blob.file_uri)
