"""Embeddings in the words of Cohere's second API: several forms of a vector in one answer.

What a newcomer would get wrong: `input_type` must be sent, and decides what the vectors are
good for. A caller who said nothing gets vectors of documents, as the vendor's own tools do.

Reference: https://docs.cohere.com/reference/embed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from federation.dialects.losses import Losses
from federation.dialects.malformed import missing
from federation.dialects.operations import fields, losses, replies
from federation.dialects.operations.embeddings import batches, pictures, purposes, vectors
from federation.dialects.operations.faces import Encoded
from federation.dialects.operations.wire import OperationWire, post, rendered
from federation.dialects.tokenizer import members, objects, wrong_type
from federation.errors import InvalidRequest
from federation.schema.glance import Answer
from federation.schema.http import ClientRequest, WireReply
from federation.schema.operations import (
    BASE64,
    BINARY,
    CUT_END,
    CUT_NONE,
    CUT_START,
    DOCUMENT,
    EMBEDDINGS,
    FLOAT,
    INT8,
    UBINARY,
    UINT8,
    EmbeddingInput,
    EmbeddingRequest,
    EmbeddingResponse,
    Mixed,
    OperationGlance,
)
from federation.schema.parts import Media, Text
from federation.schema.usage import Usage

DIALECT: Final = "cohere"
BATCH: Final = 96
FORMS: Final = (FLOAT, INT8, UINT8, BINARY, UBINARY, BASE64)

KNOWN: Final = fields.known(
    {
        "embedding_types": list[str] | None,
        "images": list[str] | None,
        "input_type": str | None,
        "inputs": list[Raw] | None,
        "max_tokens": fields.Count | None,
        "model": fields.Name | None,
        "output_dimension": fields.Count | None,
        "priority": int | None,
        "texts": list[str] | None,
        "truncate": str | None,
    }
)
_READ: Final = frozenset(KNOWN.types) - {"max_tokens", "priority"}
_CUTS: Final = {"START": CUT_START, "END": CUT_END, "NONE": CUT_NONE}
_CUT_WORDS: Final = {cut: word for word, cut in _CUTS.items()}
LOSSES: Final = losses.table(
    "https://docs.cohere.com/reference/embed",
    "embedding_purpose",
    "embedding_title",
    "image_url",
    "mixed_input",
    "token_input",
    "unknown_field",
    "user",
)


class _Url(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Url | None = None


class _Input(msgspec.Struct):
    content: list[_Part]


class _Billed(msgspec.Struct):
    input_tokens: replies.Number = None
    images: replies.Number = None
    image_tokens: replies.Number = None
    search_units: replies.Number = None


class Meta(msgspec.Struct):
    """What an answer says about its bill."""

    billed_units: _Billed | None = None
    tokens: _Billed | None = None


class _Whole(msgspec.Struct):
    embeddings: dict[str, list[Raw] | None] | list[Raw] | None = None
    id: str | None = None
    model: str | None = None
    meta: Meta | None = None


_WHOLE: Final = msgspec.json.Decoder(_Whole)
_INPUTS: Final = msgspec.json.Decoder(list[_Input])


def glance(request: ClientRequest) -> OperationGlance:
    """Look at a call. Raises `InvalidRequest` with the field, `PayloadTooLarge`."""
    body = fields.look(request, KNOWN)
    get = body.values.get
    texts, images, mixed = get("texts") or [], get("images") or [], get("inputs") or []
    if not (texts or images or mixed):
        raise missing("texts")
    if bool(texts) + bool(images) + bool(mixed) > 1:
        raise InvalidRequest("Send one of 'texts', 'images' and 'inputs'.", param="inputs")
    parts = [part for item in _mixed(body) for part in item.content] if mixed else []
    urls = [part.image_url.url for part in parts if part.image_url is not None]
    said = [part.text for part in parts if part.text is not None]
    pictures_in = len(images) + len(urls)
    dimensions = get("output_dimension")
    return OperationGlance(
        EMBEDDINGS,
        DIALECT,
        get("model"),
        body.ask,
        items=len(texts) or len(images) or len(mixed),
        text_bytes=fields.utf8_size(texts + said),
        images=pictures_in,
        media_bytes=sum(map(len, images)) + sum(map(len, urls)),
        dimensions=dimensions,
        formats=_forms(get("embedding_types")),
        needs=(
            *(("image_input",) if pictures_in else ()),
            *(("dimensions",) if dimensions else ()),
        ),
        governed=body.governed + fields.stored(images + urls),
        unlisted=body.unlisted,
        user=body.ask.user,
        spans=body.spans,
        end=body.end,
    )


def parse(request: ClientRequest, seen: OperationGlance) -> EmbeddingRequest:
    """Read a glanced-at call. Raises `InvalidRequest` with the field."""
    body = fields.look(request, KNOWN)
    get = body.values.get
    return EmbeddingRequest(
        DIALECT,
        seen.model or "",
        _inputs(body),
        formats=seen.formats,
        dimensions=seen.dimensions,
        purpose=purposes.read(get("input_type") or ""),
        truncate=_CUTS.get(get("truncate") or "", ""),
        extra=fields.extras(body.found, _READ),
    )


def render(response: EmbeddingResponse, request: EmbeddingRequest) -> bytes:
    """Write an answer, with a list for each form that was asked for."""
    lists = b",".join(
        [
            b'"%b":[%b]'
            % (form.encode(), b",".join(map(bytes, vectors.in_form(response.vectors, form))))
            for form in request.formats
        ]
    )
    usage = response.usage or Usage()
    meta = {
        "api_version": {"version": "2"},
        "billed_units": {
            "input_tokens": usage.input,
            **({"images": usage.units["image"]} if "image" in usage.units else {}),
        },
    }
    texts = batches.texts_of(request.inputs)
    return b'{"id":%b,"embeddings":{%b},%b"meta":%b,"response_type":"embeddings_by_type"}' % (
        msgspec.json.encode(response.id),
        lists,
        b"" if texts is None else b'"texts":%b,' % msgspec.json.encode(texts),
        msgspec.json.encode(meta),
    )


def encode(wire: OperationWire, request: EmbeddingRequest) -> Encoded:
    """Write a canonical request. Raises `InvalidRequest` for what cannot be said."""
    requests, noted = [], losses.begun(LOSSES)
    shared = common_fields(request, noted)
    forms = list(request.formats)
    for piece in batches.cut(request.inputs, wire.batch):
        given = input_fields(piece, noted)
        body = {"model": wire.model, **given, **shared, "embedding_types": forms}
        requests.append(post(wire, rendered(wire, body)))
    return Encoded(tuple(requests), noted.found())


def common_fields(request: EmbeddingRequest, noted: Losses) -> dict[str, Any]:
    """The fields beside the inputs and forms, in the vendor's words."""
    for feature, said in (
        ("embedding_title", request.title),
        ("user", request.user),
        ("unknown_field", request.extra),
    ):
        if said:
            noted.note(feature)
    kind = purposes.write(request.purpose, purposes.COHERE, noted, "input_type")
    if kind is None:
        pictures_only = all(
            isinstance(item, Mixed) and all(isinstance(part, Media) for part in item.parts)
            for item in request.inputs
        )
        kind = "image" if pictures_only else purposes.COHERE[DOCUMENT]
    return {
        "input_type": kind,
        "output_dimension": request.dimensions,
        "truncate": _CUT_WORDS.get(request.truncate),
    }


def input_fields(inputs: Sequence[EmbeddingInput], noted: Losses) -> dict[str, Any]:
    """The inputs: texts where all are, pictures where each is one, else lists of parts."""
    texts = batches.texts_of(inputs)
    if texts is not None:
        return {"texts": texts}
    if batches.first_of(inputs)[0]:
        noted.note("token_input", "input")
    lists = [item.parts if isinstance(item, Mixed) else (Text(str(item)),) for item in inputs]
    if all(len(parts) == 1 and isinstance(parts[0], Media) for parts in lists):
        return {
            "images": [
                pictures.data_url(part, noted)
                for parts in lists
                for part in parts
                if isinstance(part, Media)
            ]
        }
    return {"inputs": [{"content": [_written(part, noted) for part in parts]} for parts in lists]}


def decode(
    wire: OperationWire, request: EmbeddingRequest, answers: Sequence[WireReply]
) -> EmbeddingResponse:
    """Read the answers to one call's requests. Raises `UpstreamGarbled`."""
    found: dict[str, list[Raw]] = {}
    used: list[Usage | None] = []
    ident = model = ""
    for reply in answers:
        answer = _read(wire, reply)
        for form, listed in _lists(answer).items():
            found.setdefault(form, []).extend(listed)
        used.append(usage_of(answer.meta))
        ident, model = ident or answer.id or "", model or answer.model or ""
    settled = vectors.settle({form: tuple(listed) for form, listed in found.items()}, request)
    return EmbeddingResponse(model, settled, ident, batches.total(used))


def read(wire: OperationWire, seen: OperationGlance, reply: WireReply) -> Answer:
    """What matters of an answer that is forwarded. Raises as `decode` does."""
    answer = _read(wire, reply)
    for form, listed in _lists(answer).items():
        if len(listed) != seen.items:
            raise replies.garbled(wire, f"with {len(listed)} vectors for {seen.items} inputs")
        vectors.check(listed, seen.dimensions if form in (FLOAT, BASE64) else None)
    return Answer(answer.model or "", "", usage_of(answer.meta))


def usage_of(meta: Meta | None) -> Usage | None:
    """What an answer was billed for, as its `meta` says."""
    billed = meta.billed_units if meta is not None else None
    if billed is None:
        return None
    units = {
        name: replies.whole(number)
        for name, number in (("image", billed.images), ("search", billed.search_units))
        if number
    }
    tokens = replies.whole(billed.input_tokens) + replies.whole(billed.image_tokens)
    return Usage(input=tokens, units=units)


def _read(wire: OperationWire, reply: WireReply) -> _Whole:
    answer = replies.read(wire, _WHOLE, reply.body)
    if not answer.embeddings:
        raise replies.garbled(wire, "without vectors")
    return answer


def _lists(answer: _Whole) -> dict[str, list[Raw]]:
    found = answer.embeddings
    if isinstance(found, list):
        return {FLOAT: found}
    return {form: listed for form, listed in (found or {}).items() if listed is not None}


def _written(part: Text | Media, noted: Losses) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image_url", "image_url": {"url": pictures.data_url(part, noted)}}


def _forms(asked: list[str] | None) -> tuple[str, ...]:
    forms = tuple(dict.fromkeys(asked or (FLOAT,)))
    for form in forms:
        if form not in FORMS:
            raise InvalidRequest(
                f"'embedding_types' holds {form[:40]!r}; known are {', '.join(FORMS)}.",
                param="embedding_types",
            )
    return forms


def _mixed(body: fields.Body) -> list[_Input]:
    """Inputs of parts. Raises `InvalidRequest`, also for a member that stands twice."""
    for place, item in enumerate(objects(body.found["inputs"], "inputs")):
        if "content" in item:
            where = f"inputs[{place}].content"
            for index, part in enumerate(objects(item["content"], where)):
                if "image_url" in part:
                    members(bytes(part["image_url"]), f"{where}[{index}].image_url")
    try:
        return _INPUTS.decode(body.found["inputs"])
    except msgspec.ValidationError as error:
        raise wrong_type(error, "inputs") from None


def _inputs(body: fields.Body) -> tuple[EmbeddingInput, ...]:
    texts = body.values.get("texts")
    if texts:
        return tuple(texts)
    urls = body.values.get("images")
    if urls:
        return tuple([Mixed((pictures.read(url, f"images[{at}]"),)) for at, url in enumerate(urls)])
    return tuple([_input(item, f"inputs[{at}]") for at, item in enumerate(_mixed(body))])


def _input(item: _Input, where: str) -> EmbeddingInput:
    parts: list[Text | Media] = []
    for place, part in enumerate(item.content):
        if part.type == "text" and part.text is not None:
            parts.append(Text(part.text))
        elif part.type == "image_url" and part.image_url is not None:
            parts.append(pictures.read(part.image_url.url, f"{where}.content[{place}].image_url"))
        else:
            raise InvalidRequest(
                f"'{where}.content[{place}]' must be a text or an image_url.",
                param=f"{where}.content[{place}]",
            )
    if not parts:
        raise InvalidRequest(f"'{where}.content' is empty.", param=f"{where}.content")
    only = parts[0]
    return only.text if len(parts) == 1 and isinstance(only, Text) else Mixed(tuple(parts))
